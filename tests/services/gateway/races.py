"""Locks that a test holds while two replicas work."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from services.gateway.adapters import change_log
from services.gateway.adapters.batch_rows import locked
from tests.services.gateway.databases import stuck
from tests.services.gateway.events import public_id

Hold = Callable[[AsyncConnection], Awaitable[object]]


@asynccontextmanager
async def held(database: Database, hold: Hold, waiting: int) -> AsyncIterator[None]:
    """Holds a lock while the block starts its work, and until so many wait for it."""
    async with database.begin() as connection:
        await hold(connection)
        yield
        await stuck(database, waiting)


def asset_lock(index: int) -> Hold:
    async def hold(connection: AsyncConnection) -> None:
        lock = text("SELECT pg_advisory_xact_lock(hashtext(:public_id))")
        await connection.execute(lock, {"public_id": public_id(index)})

    return hold


def batch_lock(database: Database, batch_id: str = "b1") -> Hold:
    return lambda connection: locked(database, connection, batch_id, 0.0)


async def log_lock(connection: AsyncConnection) -> None:
    await change_log.append(connection, "slow", "x")
