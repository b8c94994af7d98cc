"""The counters as far as a folder's beginning goes, and for whoever looks after them."""

from collections.abc import Callable, Mapping

from sqlalchemy import select, update

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

    async def all(self) -> Mapping[str, int]:
        """The next number of every folder that was ever seen."""
        asked = select(COUNTERS.c.folder, COUNTERS.c.next_index).order_by(COUNTERS.c.folder)
        async with self._database.read() as connection:
            return {row.folder: row.next_index for row in await connection.execute(asked)}

    async def raise_to(self, folder: str, least: int) -> int:
        """The folder's next number is at least this, whoever reserves at the same time; returns it. A folder
        that was never seen begins there."""
        lower = (COUNTERS.c.folder == folder, COUNTERS.c.next_index < least)
        async with self._database.begin() as connection:
            await connection.execute(update(COUNTERS).where(*lower).values(next_index=least))
        return await self.adopt(folder, least)
