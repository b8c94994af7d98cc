"""News of images in SQL: what arrives together shares one transaction, and one statement of each kind."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prometheus_client import Histogram
from sqlalchemy import ColumnElement, Insert, RowMapping, case, func
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.gathering import Gathering
from contracts.events import BatchFinished
from messaging.errors import Outage
from services.gateway.adapters import change_log, metrics
from services.gateway.adapters.batch_rows import Closing, answer_retries, closed_all, locked_all
from services.gateway.adapters.growth import Growth, Heard, after, grown, last_of, merged
from services.gateway.adapters.knowing import Known, known_of
from services.gateway.adapters.rows import of_image
from services.gateway.adapters.tables import IMAGES
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
        # What an image shows already, and these events don't name, need not be held: its row is there to be
        # found by whoever deletes it.
        assets = [asset for each in heard if (asset := each.asset)]
        shown = {asset.public_id for asset in assets}
        async with self._database.begin() as connection:
            batch_ids = {each.batch_id for each in heard}
            rows = await locked_all(self._database, connection, batch_ids, now, shown)
            owners = {row["username"] for row in rows.values()} | {asset.username for asset in assets}
            keys, whole = {each.key for each in heard}, last_of(rows, heard)
            known = await known_of(connection, keys, whole, shown, owners - {None})
            images = merged(heard, known.images)
            growing = grown(rows, known.images, images, known.gone)
            await self._write(connection, growing, now)
            ends = await self._close(connection, growing, known, now)
            await change_log.append_all(connection, [line for each in growing for line in each.changes])
        for each in growing:
            for image in each.ends:
                metrics.ended(image, now - each.row["created_at"])
        return ends

    async def _write(self, connection: AsyncConnection, growing: Sequence[Growth], now: float) -> None:
        images = [(image, each.row) for each in growing for _, image in sorted(each.images.items())]
        if images:
            await connection.execute(self._written, [_row(image, batch, now) for image, batch in images])
        for each in growing:
            if each.retried:
                await answer_retries(connection, each.row["batch_id"])

    async def _close(
        self, connection: AsyncConnection, growing: Sequence[Growth], known: Known, now: float
    ) -> Mapping[str, BatchFinished | None]:
        images = after(known.images, growing)
        closings = [
            Closing(each.row, each.ended, {"started_at": each.started}, images[each.row["batch_id"]])
            for each in growing
        ]
        ends = await closed_all(connection, closings, now)
        news = [[*each.news, *of_its_end(each.row, end)] for each, end in zip(growing, ends, strict=True)]
        told = [
            ({**each.row, "started_at": each.started}, its) for each, its in zip(growing, news, strict=True)
        ]
        await announce_all(self._database, connection, told, now, known.listening)
        return {each.row["batch_id"]: end for each, end in zip(growing, ends, strict=True)}


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
