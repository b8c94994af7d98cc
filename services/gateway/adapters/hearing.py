"""News of images in SQL: what arrives together shares one transaction, and one statement of each kind."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from prometheus_client import Histogram
from sqlalchemy import ColumnElement, Insert, RowMapping, bindparam, case, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.gathering import Gathering
from contracts.events import BatchFinished
from messaging.errors import Outage
from services.gateway.adapters import change_log, metrics
from services.gateway.adapters.batch_rows import Closing, answer_retries, closed_all, locked_all
from services.gateway.adapters.growth import Growth, Heard, Key, grown, merged
from services.gateway.adapters.rows import of_image, to_image
from services.gateway.adapters.tables import DELETED, IMAGES
from services.gateway.adapters.webhooks.announcing import announce_all, of_its_end
from services.gateway.domain.images import ENDED, ImageState
from services.gateway.ports import Shown

#: Events in one commit: beyond this a group gains nothing, and the first of it waits longer.
MOST_AT_ONCE = 64
#: Seconds that events gather at most while many come: nobody sees a picture that much earlier.
REST = 0.1
#: Seconds; days are counted from 1970 in UTC.
DAY = 86_400

GROUPS = Histogram(
    "darkroom_heard_group", "Events of images that shared a commit", buckets=(1, 2, 5, 10, 20, MOST_AT_ONCE)
)

# Sorted, so that two who want several assets never wait for each other in a ring.
_TURNS = text(
    "SELECT pg_advisory_xact_lock(turn) FROM (SELECT DISTINCT hashtext(public_id) AS turn "
    "FROM unnest(CAST(:public_ids AS text[])) AS public_id ORDER BY turn) AS turns"
)
# Put together once: that costs more than to have it answered.
_KNOWN = select(IMAGES).where(
    tuple_(IMAGES.c.batch_id, IMAGES.c.ordinal).in_(bindparam("keys", expanding=True))
)
_GONE = select(DELETED.c.public_id).where(DELETED.c.public_id.in_(bindparam("public_ids", expanding=True)))


class Hearing:
    """Belongs to one event loop; `clock` gives epoch seconds. To be closed."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._written = _written(database)
        self._gathering: Gathering[Heard, Shown | Exception] = Gathering(self._group, MOST_AT_ONCE, REST)

    async def __call__(self, heard: Heard) -> Shown:
        answer = await self._gathering(heard)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Ends a transaction under way; nobody may wait for one any more."""
        await self._gathering.aclose()

    async def _group(self, heard: Sequence[Heard]) -> Sequence[Shown | Exception]:
        try:
            ends = await self._committed(heard)
        except Outage:
            raise
        except Exception as error:  # noqa: BLE001, what one event breaks may cost the others no attempt
            if len(heard) == 1:
                return [error]
            return [answer for each in heard for answer in await self._group([each])]
        GROUPS.observe(len(heard))
        # One speaks for all that shared the commit. Its delivery is acknowledged after that, and another one
        # that comes again finds the batch as it is.
        last = {each.batch_id: place for place, each in enumerate(heard)}
        spoken = [last[each.batch_id] == place for place, each in enumerate(heard)]
        return [
            Shown(ends[each.batch_id] if speaks else None, speaks)
            for each, speaks in zip(heard, spoken, strict=True)
        ]

    async def _committed(self, heard: Sequence[Heard]) -> Mapping[str, BatchFinished | None]:
        now = self._clock()
        async with self._database.begin() as connection:
            rows = await locked_all(self._database, connection, {each.batch_id for each in heard}, now)
            known = await _known(connection, {each.key for each in heard})
            images = merged(heard, known)
            shown = {image.asset.public_id for image in images if image.asset}
            gone = await self._gone(connection, shown)
            growing = grown(rows, known, images, gone)
            await self._write(connection, growing, now)
            ends = await self._close(connection, growing, now)
            await change_log.append_all(connection, [line for each in growing for line in each.changes])
        for each in growing:
            for image in each.ends:
                metrics.ended(image, now - each.row["created_at"])
        return ends

    async def _gone(self, connection: AsyncConnection, public_ids: Collection[str]) -> frozenset[str]:
        """Those of these assets that are deleted, and nobody deletes another one before the commit."""
        if not public_ids:
            return frozenset()
        await hold(self._database, connection, public_ids)
        return frozenset(await connection.scalars(_GONE, {"public_ids": list(public_ids)}))

    async def _write(self, connection: AsyncConnection, growing: Sequence[Growth], now: float) -> None:
        images = [(image, each.row) for each in growing for _, image in sorted(each.images.items())]
        if images:
            await connection.execute(self._written, [_row(image, batch, now) for image, batch in images])
        for each in growing:
            if each.retried:
                await answer_retries(connection, each.row["batch_id"])

    async def _close(
        self, connection: AsyncConnection, growing: Sequence[Growth], now: float
    ) -> Mapping[str, BatchFinished | None]:
        closings = [Closing(each.row, each.ended, {"started_at": each.started}) for each in growing]
        ends = await closed_all(connection, closings, now)
        news = [[*each.news, *of_its_end(each.row, end)] for each, end in zip(growing, ends, strict=True)]
        told = [
            ({**each.row, "started_at": each.started}, its) for each, its in zip(growing, news, strict=True)
        ]
        await announce_all(self._database, connection, told, now)
        return {each.row["batch_id"]: end for each, end in zip(growing, ends, strict=True)}


async def hold(database: Database, connection: AsyncConnection, public_ids: Collection[str]) -> None:
    """Whoever stores an image and whoever deletes it take turns: one of them sees the other."""
    if database.is_postgresql:
        await connection.execute(_TURNS, {"public_ids": list(public_ids)})


async def _known(connection: AsyncConnection, keys: Collection[Key]) -> dict[Key, ImageState]:
    rows = (await connection.execute(_KNOWN, {"keys": sorted(keys)})).mappings()
    return {(row["batch_id"], row["ordinal"]): to_image(row) for row in rows}


def _written(database: Database) -> Insert:
    """With rows of `_row`."""
    fresh = database.insert(IMAGES)
    said: dict[str, ColumnElement[Any]] = {name: fresh.excluded[name] for name in _WRITTEN}
    # An end without an asset has no time of its own: when it was first heard of counts.
    keeps = fresh.excluded.ended_at.is_not(None) & fresh.excluded.public_id.is_(None)
    for name in ("ended_at", "ended_day"):
        first = func.coalesce(IMAGES.c[name], fresh.excluded[name])
        said[name] = case((keeps, first), else_=fresh.excluded[name])
    return fresh.on_conflict_do_update(index_elements=["batch_id", "ordinal"], set_=said)


def _row(image: ImageState, batch: RowMapping, now: float) -> dict[str, Any]:
    asset = image.asset
    owner = {
        "username": batch["username"] or (asset and asset.username),
        "character_id": batch["character_id"] or (asset and asset.character.id),
    }
    return of_image(image) | owner | _end(image, now)


#: Of a row that is there already, what is written again.
_WRITTEN = (
    *("idx", "round", "picture", "placeholder", "failure", "status", "public_id", "stored_at", "gpu_ms"),
    *("cause", "username", "character_id"),
)


def _end(image: ImageState, now: float) -> dict[str, float | int | None]:
    if image.status not in ENDED:
        return {"ended_at": None, "ended_day": None}
    at = image.asset.created_at.timestamp() if image.asset else now
    return {"ended_at": at, "ended_day": int(at // DAY)}
