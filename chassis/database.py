"""The database of one service: PostgreSQL with a schema of its own, or a SQLite file of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar, cast

import structlog
from alembic.util import CommandError
from pydantic import SecretStr
from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chassis.database_engines import LOCK_SECONDS, ONLY_READS, engine_of
from chassis.database_errors import Unusable, translated
from chassis.migrations import turn, upgrade
from chassis.settings import BadSettings, safe
from messaging.errors import Outage, TemporaryError

__all__ = ["Database", "once_there", "open_database", "translated"]

log = structlog.get_logger("database")

T = TypeVar("T")

#: Seconds between two attempts to reach a database that is not there at the start, and the most of them.
FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0


class Database:
    """Transactions on one service's own tables."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.is_postgresql = engine.dialect.name == "postgresql"
        self._reading: dict[str, Any] = (
            {"isolation_level": "AUTOCOMMIT"} if self.is_postgresql else {ONLY_READS: True}
        )
        # Writers of one process queue here, in order and without a connection each, or they would take
        # every connection from the readers only to wait for SQLite's one lock.
        self._writing: AbstractAsyncContextManager[object] = (
            nullcontext() if self.is_postgresql else _Turns(LOCK_SECONDS)
        )

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write, committed at the end of the block.

        Raises Outage where the database can't be reached or can't write, TemporaryError where a race was
        lost. On SQLite it holds the file's one write lock from its first statement, whatever that is.
        """
        with translated():
            async with self._writing, self._engine.connect() as connection:
                yield connection
                await connection.commit()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one statement that writes: on PostgreSQL it is a transaction by itself, with one
        round trip instead of three, and any other that follows on this connection is another one. On SQLite,
        where several statements do its work, a transaction. Raises as `begin`."""
        if not self.is_postgresql:
            async with self.begin() as connection:
                yield connection
            return
        with translated():
            async with self._engine.connect() as connection:
                yield await connection.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for statements that change nothing, each on its own; never waits for writers.
        Raises as `begin`."""
        with translated():
            async with self._engine.connect() as connection:
                yield await connection.execution_options(**self._reading)

    def insert(self, table: Table) -> postgresql.Insert:
        """An INSERT that knows ON CONFLICT; both databases spell it the same, in classes of their own."""
        return (
            postgresql.insert(table) if self.is_postgresql else cast(postgresql.Insert, sqlite.insert(table))
        )

    async def trouble(self) -> str | None:
        """Why the database can't be used now, None if it can."""
        try:
            async with self.read() as connection:
                await connection.execute(text("SELECT 1"))
        except (Outage, TemporaryError) as why:
            return str(why)
        return None


@asynccontextmanager
async def open_database(url: str, service: str, migrations: Path, pool: int = 8) -> AsyncIterator[Database]:
    """Connects, brings the service's tables to their newest revision, and closes at the end of the block.

    Waits for as long as the database can't be reached, and says so in the log. Raises BadSettings where
    waiting can't help: another password, another name or newer code is needed.
    """
    engine = engine_of(url, service, pool)
    try:
        await _upgraded(engine, service, migrations, safe(SecretStr(url)))
        yield Database(engine)
    finally:
        await engine.dispose()


async def _upgraded(engine: AsyncEngine, service: str, migrations: Path, shown: str) -> None:
    async def upgraded() -> None:
        with translated():
            async with turn(), engine.begin() as connection:
                await connection.run_sync(upgrade, service, migrations)

    try:
        await once_there(upgraded, url=shown)
    except Unusable as why:
        raise BadSettings(f"DATABASE_URL: {why.remedy}, at {shown} ({why})") from why
    except CommandError as why:
        raise BadSettings(f"DATABASE_URL: the tables at {shown} are of other code ({why})") from why


async def once_there(work: Callable[[], Awaitable[T]], **told: str) -> T:
    """What `work` gives, tried for as long as the database can't be reached, and said so in the log with what
    is `told`: for what a process has to know or to write before it opens."""
    wait = FIRST_WAIT
    while True:
        try:
            return await work()
        except Unusable:
            raise
        except (Outage, TemporaryError) as why:
            log.warning("waits for the database", reason=str(why), **told, seconds=wait)
        await asyncio.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)


class _Turns:
    """A lock that is waited for in order, and not for ever."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._lock.acquire()
        except TimeoutError:
            raise Outage(f"database: another writer took more than {self._seconds:g} s") from None

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()
