"""What a piece of work costs in processor time: this process's, and the database's for it."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import text

from chassis.database import Database

#: Backends of this database that serve clients, but for the one that asks.
_SERVING = text(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
)


async def cost(database: Database, work: Callable[[], Awaitable[object]]) -> float:
    """Seconds. Where the database's processes can't be seen from here, as in a container, the time that
    passes: it tells the same on an idle machine."""
    before = await _backends(database)
    own, began = time.process_time(), time.perf_counter()
    await work()
    own, passed = time.process_time() - own, time.perf_counter() - began
    after = await _backends(database)
    if not after:
        return passed
    return own + sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


async def _backends(database: Database) -> dict[int, float]:
    """Processor time of each process that serves this database."""
    async with database.read() as connection:
        pids = [row.pid for row in await connection.execute(_SERVING)]
    files = {pid: Path(f"/proc/{pid}/schedstat") for pid in pids}
    if not all(_is_postgres(pid) for pid in pids):
        return {}
    return {pid: int(file.read_text().split()[0]) / 1e9 for pid, file in files.items()}


def _is_postgres(pid: int) -> bool:
    name = Path(f"/proc/{pid}/comm")
    return name.exists() and name.read_text().startswith("postgres")
