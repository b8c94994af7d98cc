"""Galleries, single images and usage, in SQL."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, case, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from services.gateway.adapters.rows import to_batch, to_image
from services.gateway.adapters.tables import BATCHES, COLLECTED, IMAGES
from services.gateway.domain.batches import Batch
from services.gateway.domain.images import BLANK, GONE, MADE, ImageState, Status
from services.gateway.domain.pictures import Key, Picture, Sort, Usage, Wanted

_EPOCH = date(1970, 1, 1)
#: Nothing in storage, or not any more.
_STORED = IMAGES.c.public_id.is_not(None) & IMAGES.c.status.not_in(GONE)
_KEY = tuple_(IMAGES.c.batch_id, IMAGES.c.ordinal)
_BY_TIME = (IMAGES.c.stored_at, IMAGES.c.idx, IMAGES.c.batch_id, IMAGES.c.ordinal)
_BY_INDEX = (IMAGES.c.idx, IMAGES.c.batch_id, IMAGES.c.ordinal)


class SqlPictures:
    """Keeps the promise of `Pictures`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, character_id: str, username: str, limit: int) -> tuple[int, Sequence[ImageState]]:
        owned = (IMAGES.c.username == username) & (IMAGES.c.character_id == character_id)
        # Who asked for a deletion does not want to see the image again.
        shown = owned & _STORED & IMAGES.c.delete_requested_at.is_(None)
        newest = select(IMAGES).where(shown).order_by(IMAGES.c.stored_at.desc(), IMAGES.c.idx.desc())
        async with self._database.read() as connection:
            total = (await connection.execute(select(func.count()).where(shown))).scalar_one()
            rows = (await connection.execute(newest.limit(limit))).mappings().all()
        return total, [to_image(row) for row in rows]

    async def page(self, wanted: Wanted) -> Sequence[Picture]:
        query = _ordered(select(IMAGES).where(_STORED, *_filters(wanted)), wanted).limit(wanted.limit)
        async with self._database.read() as connection:
            return await _pictures(connection, (await connection.execute(query)).mappings().all())

    async def find(self, username: str, key: Key) -> Picture | None:
        query = select(IMAGES).where(
            IMAGES.c.batch_id == key[0], IMAGES.c.ordinal == key[1], IMAGES.c.username == username
        )
        async with self._database.read() as connection:
            found = await _pictures(connection, (await connection.execute(query)).mappings().all())
        return found[0] if found else None

    async def usage(self, username: str, first: date, last: date) -> Sequence[Usage]:
        def ended(*statuses: Status) -> ColumnElement[int]:
            return func.sum(case((IMAGES.c.status.in_(statuses), 1), else_=0))

        days = IMAGES.c.ended_day.between((first - _EPOCH).days, (last - _EPOCH).days)
        query = (
            select(
                IMAGES.c.ended_day,
                IMAGES.c.character_id,
                ended(*MADE).label("images"),
                ended(*BLANK).label("placeholders"),
                ended(Status.FAILED).label("failures"),
                ended(Status.CANCELED).label("canceled"),
                func.sum(func.coalesce(IMAGES.c.gpu_ms, 0)).label("gpu_ms"),
            )
            .where(IMAGES.c.username == username, days)
            .group_by(IMAGES.c.ended_day, IMAGES.c.character_id)
            .order_by(IMAGES.c.ended_day, IMAGES.c.character_id)
        )
        async with self._database.read() as connection:
            return [_usage(row) for row in (await connection.execute(query)).mappings()]


def _usage(row: RowMapping) -> Usage:
    counts = {name: int(row[name]) for name in ("images", "placeholders", "failures", "canceled", "gpu_ms")}
    return Usage(_EPOCH + timedelta(days=row["ended_day"]), row["character_id"], **counts)


def _filters(wanted: Wanted) -> list[ColumnElement[bool]]:
    blank = IMAGES.c.picture.is_(None)
    asked: list[tuple[object, ColumnElement[bool]]] = [
        (wanted.character_id, IMAGES.c.character_id == wanted.character_id),
        (wanted.batch_ids, IMAGES.c.batch_id.in_(wanted.batch_ids or ())),
        (wanted.keys, _KEY.in_(wanted.keys or ())),
        (wanted.favourite, IMAGES.c.favourite.is_(bool(wanted.favourite))),
        # A placeholder whose image is rendered again still lies there.
        (wanted.placeholder, blank if wanted.placeholder else ~blank),
        (wanted.collection_id, _collected(wanted.collection_id)),
    ]
    return [
        IMAGES.c.username == wanted.username,
        *(rule for said, rule in asked if said is not None),
    ]


def _collected(collection_id: str | None) -> ColumnElement[bool]:
    inside = select(COLLECTED.c.batch_id).where(
        COLLECTED.c.collection_id == collection_id,
        COLLECTED.c.batch_id == IMAGES.c.batch_id,
        COLLECTED.c.ordinal == IMAGES.c.ordinal,
    )
    return inside.exists()


def _ordered(query: Select[Any], wanted: Wanted) -> Select[Any]:
    by_time = wanted.sort in (Sort.NEWEST, Sort.OLDEST)
    columns = _BY_TIME if by_time else _BY_INDEX
    down = wanted.sort in (Sort.NEWEST, Sort.INDEX_DOWN)
    if wanted.after:
        place = wanted.after.index, wanted.after.batch_id, wanted.after.ordinal
        end = (wanted.after.stored_at, *place) if by_time else place
        whole = tuple_(*columns)
        query = query.where(whole < end if down else whole > end)
    return query.order_by(*(column.desc() if down else column for column in columns))


async def _pictures(connection: AsyncConnection, rows: Sequence[RowMapping]) -> list[Picture]:
    keys = [(row["batch_id"], row["ordinal"]) for row in rows]
    batches = await _batches(connection, {batch_id for batch_id, _ in keys})
    collections = await _collections(connection, keys)
    return [
        Picture(
            image=to_image(row),
            character_id=row["character_id"],
            batch=batches.get(row["batch_id"]),
            collections=tuple(collections.get((row["batch_id"], row["ordinal"]), ())),
        )
        for row in rows
    ]


async def _batches(connection: AsyncConnection, ids: set[str]) -> dict[str, Batch]:
    query = select(BATCHES).where(BATCHES.c.batch_id.in_(ids), BATCHES.c.request.is_not(None))
    return {row["batch_id"]: to_batch(row) for row in (await connection.execute(query)).mappings()}


async def _collections(connection: AsyncConnection, keys: Sequence[Key]) -> dict[Key, list[str]]:
    inside = tuple_(COLLECTED.c.batch_id, COLLECTED.c.ordinal).in_(keys)
    query = select(COLLECTED).where(inside).order_by(COLLECTED.c.collection_id)
    found: dict[Key, list[str]] = {}
    for row in (await connection.execute(query)).mappings():
        found.setdefault((row["batch_id"], row["ordinal"]), []).append(row["collection_id"])
    return found
