"""The counters as far as a folder's beginning goes."""

from collections.abc import Callable

from sqlalchemy import select

from chassis.database import Database
from services.indexer.adapters.reserving import insert_new
from services.indexer.adapters.tables import COUNTERS


class SqlCounters:
    """`clock` gives epoch seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def next_index(self, folder: str) -> int | None:
        asked = select(COUNTERS.c.next_index).where(COUNTERS.c.folder == folder)
        async with self._database.read() as connection:
            return (await connection.execute(asked)).scalar_one_or_none()

    async def adopt(self, folder: str, first: int) -> int:
        row = {"folder": folder, "next_index": first, "adopted_at": self._clock()}
        asked = select(COUNTERS.c.next_index).where(COUNTERS.c.folder == folder)
        async with self._database.begin() as connection:
            await connection.execute(insert_new(connection, COUNTERS).values(row))
            return int((await connection.execute(asked)).scalar_one())
