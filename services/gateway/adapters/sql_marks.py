"""What owners say of their images, in SQL: marks, and deletions with the commands that carry them out."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from sqlalchemy import RowMapping, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from contracts.commands import DeleteImage
from services.gateway.adapters import change_log
from services.gateway.adapters.batch_rows import enqueue
from services.gateway.adapters.tables import IMAGES
from services.gateway.domain.images import GONE
from services.gateway.domain.pictures import Deletion, Key

_KEY = tuple_(IMAGES.c.batch_id, IMAGES.c.ordinal)


class SqlMarks:
    """Keeps the promise of `Marks`."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def favourite(self, username: str, keys: Sequence[Key], value: bool) -> Collection[Key]:
        async with self._database.begin() as connection:
            rows = await _owned(connection, username, keys)
            other = [row for row in rows if row["favourite"] is not value]
            if other:
                chosen = _KEY.in_([_key(row) for row in other])
                await connection.execute(update(IMAGES).where(chosen).values(favourite=value))
                await _log(connection, other)
        return {_key(row) for row in rows}

    async def delete(self, username: str, keys: Sequence[Key]) -> Mapping[Key, Deletion]:
        now = self._clock()
        async with self._database.begin() as connection:
            ends = {_key(row): (_deletion(row), row) for row in await _owned(connection, username, keys)}
            going = [row for end, row in ends.values() if end is Deletion.UNDER_WAY]
            fresh = [row for row in going if row["delete_requested_at"] is None]
            if going:
                asked = func.coalesce(IMAGES.c.delete_requested_at, now)
                chosen = _KEY.in_([_key(row) for row in going])
                await connection.execute(update(IMAGES).where(chosen).values(delete_requested_at=asked))
                commands = [DeleteImage(public_id=row["public_id"]) for row in going]
                await enqueue(self._database, connection, commands, now)
                await _log(connection, fresh)
        return {key: end for key, (end, _) in ends.items()}


async def _owned(connection: AsyncConnection, username: str, keys: Sequence[Key]) -> Sequence[RowMapping]:
    """Locked in one order, so that two who mark the same images never wait for each other both at once."""
    query = select(IMAGES).where(_KEY.in_(keys), IMAGES.c.username == username)
    ordered = query.order_by(IMAGES.c.batch_id, IMAGES.c.ordinal).with_for_update()
    return (await connection.execute(ordered)).mappings().all()


def _key(row: RowMapping) -> Key:
    return row["batch_id"], row["ordinal"]


def _deletion(row: RowMapping) -> Deletion:
    if row["status"] in GONE:
        return Deletion.DONE
    return Deletion.NOTHING_THERE if row["public_id"] is None else Deletion.UNDER_WAY


async def _log(connection: AsyncConnection, rows: Sequence[RowMapping]) -> None:
    said = [
        (row["batch_id"], "image", {"ordinal": row["ordinal"], "index": row["idx"], "status": row["status"]})
        for row in rows
    ]
    await change_log.append_all(connection, said)
