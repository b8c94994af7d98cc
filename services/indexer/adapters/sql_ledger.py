"""The ledger on PostgreSQL or SQLite: waiting batches share one statement and one commit."""

from collections.abc import Callable, Sequence
from typing import Any

from prometheus_client import Counter, Histogram
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.gathering import Gathering
from services.indexer.adapters.reserving import (
    Blocks,
    insert_new,
    reserve_on_postgresql,
    reserve_on_sqlite,
    stored,
)
from services.indexer.adapters.tables import COUNTERS, REASSIGNMENTS
from services.indexer.domain import Move, Reassignment, Reservation, Wish, first_of_each

#: Batches in one commit: beyond this a group gains nothing and the first of it waits longer.
MOST_AT_ONCE = 200

GROUPS = Histogram(
    "darkroom_reserve_group", "Batches that shared a commit", buckets=(1, 2, 5, 10, 20, 50, 100, MOST_AT_ONCE)
)
REASSIGNED = Counter("darkroom_indexes_reassigned", "Images that got another number")

_MOVES = [REASSIGNMENTS.c[name] for name in Reassignment.__dataclass_fields__]


class SqlLedger:
    """Belongs to one event loop; `clock` gives epoch seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._reserve = reserve_on_postgresql if database.is_postgresql else reserve_on_sqlite
        self._gathering: Gathering[Wish, Reservation | DBAPIError | None] = Gathering(
            self._reserve_group, MOST_AT_ONCE
        )

    async def aclose(self) -> None:
        await self._gathering.aclose()

    async def reserve(self, wish: Wish) -> Reservation | None:
        answer = await self._gathering(wish)
        if isinstance(answer, DBAPIError):
            raise answer
        return answer

    async def find(self, batch_id: str) -> Reservation | None:
        async with self._database.read() as connection:
            return (await stored(connection, [batch_id])).get(batch_id)

    async def reassignments(self, batch_id: str, ordinal: int) -> Sequence[Reassignment]:
        asked = select(*_MOVES).where(
            REASSIGNMENTS.c.batch_id == batch_id, REASSIGNMENTS.c.ordinal == ordinal
        )
        async with self._database.read() as connection:
            rows = await connection.execute(asked.order_by(REASSIGNMENTS.c.new_index))
            return [Reassignment(**row._mapping) for row in rows]

    async def reassign(self, move: Move) -> Reassignment:
        async with self._database.begin() as connection:
            # Whoever asks the same waits here for the counter, and then finds what was stored.
            counter = await self._locked_counter(connection, move)
            row = (await connection.execute(select(*_MOVES).where(*_about(move)))).one_or_none()
            if row is not None:
                return Reassignment(**row._mapping)
            return await self._give(connection, move, max(counter, move.floor))

    async def _locked_counter(self, connection: AsyncConnection, move: Move) -> int:
        row = {"folder": move.folder, "next_index": move.floor, "adopted_at": self._clock()}
        await connection.execute(insert_new(connection, COUNTERS).values(row))
        asked = select(COUNTERS.c.next_index).where(COUNTERS.c.folder == move.folder).with_for_update()
        return int((await connection.execute(asked)).scalar_one())

    async def _give(self, connection: AsyncConnection, move: Move, index: int) -> Reassignment:
        given = Reassignment(move.batch_id, move.ordinal, move.old_index, move.folder, index, index + 1)
        await connection.execute(REASSIGNMENTS.insert(), {**vars(given), "created_at": self._clock()})
        await connection.execute(
            update(COUNTERS).where(COUNTERS.c.folder == move.folder).values(next_index=index + 1)
        )
        REASSIGNED.inc()
        return given

    async def _reserve_group(self, wishes: Sequence[Wish]) -> Sequence[Reservation | DBAPIError | None]:
        try:
            blocks = await self._commit(first_of_each(wishes))
        except DBAPIError as error:
            # Neither an outage nor a race, which have been translated: the database refuses one of them, and
            # only that one may suffer for it.
            if len(wishes) == 1:
                return [error]
            return [answer for wish in wishes for answer in await self._reserve_group([wish])]
        return [blocks.get(wish.batch_id) for wish in wishes]

    async def _commit(self, wishes: Sequence[Wish]) -> Blocks:
        async with self._database.alone() as connection:
            blocks = await self._reserve(connection, wishes, self._clock())
        GROUPS.observe(len(wishes))
        return blocks


def _about(move: Move) -> Sequence[Any]:
    return (
        REASSIGNMENTS.c.batch_id == move.batch_id,
        REASSIGNMENTS.c.ordinal == move.ordinal,
        REASSIGNMENTS.c.old_index == move.old_index,
    )
