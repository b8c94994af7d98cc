"""The database of one service: PostgreSQL with a schema of its own, or a SQLite file of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import structlog
from sqlalchemy import Table, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from chassis.migrations import upgrade
from messaging.errors import Outage, TemporaryError

log = structlog.get_logger("database")

#: SQLSTATEs of transactions that lost a race and may simply run again.
_RACES = ("40001", "40P01", "55P03")
#: Classes of SQLSTATE that speak of the server, not of the statement: connection, resources, shutdown, I/O.
_DOWN = ("08", "53", "57", "58")


class Database:
    """Transactions on one service's own tables."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.is_postgresql = engine.dialect.name == "postgresql"

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write, committed at the end of the block.

        Raises Outage where the database can't be reached or can't write, TemporaryError where a race was
        lost. On SQLite it holds the file's one write lock from its beginning.
        """
        with translated():
            async with self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for statements that change nothing, each on its own; never waits for writers.
        Raises as `begin`."""
        with translated():
            async with self._engine.connect() as connection:
                yield await connection.execution_options(isolation_level="AUTOCOMMIT")

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


@contextmanager
def translated() -> Any:
    """Turns the driver's errors into those of a delivery."""
    try:
        yield
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        reason = (
            f"database: {str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__}"
        )
        if state in _RACES:
            raise TemporaryError(reason, delay=0) from error
        if error.connection_invalidated or state.startswith(_DOWN) or _sqlite_is_down(error):
            raise Outage(reason) from error
        raise
    except (OSError, TimeoutError) as error:
        raise Outage(f"database: {error or type(error).__name__}") from error


@asynccontextmanager
async def open_database(url: str, service: str, migrations: Path, pool: int = 8) -> AsyncIterator[Database]:
    """Connects, brings the service's tables to their newest revision, and closes at the end of the block."""
    engine = _sqlite(url) if make_url(url).get_backend_name() == "sqlite" else _postgresql(url, service, pool)
    try:
        with translated():
            async with engine.begin() as connection:
                await connection.run_sync(upgrade, service, migrations)
        yield Database(engine)
    finally:
        await engine.dispose()


def _sqlite(url: str) -> AsyncEngine:
    file = make_url(url).database
    if file and file != ":memory:":
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url, poolclass=AsyncAdaptedQueuePool, pool_size=4, max_overflow=0)

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver's own implicit BEGIN comes too late and is not IMMEDIATE; ours is below.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=15000", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        # AUTOCOMMIT connections only read; a transaction takes the write lock before it looks at anything.
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgresql(url: str, service: str, pool: int) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        connect_args={
            "timeout": 5,
            "command_timeout": 30,
            "server_settings": {"search_path": service, "application_name": f"darkroom {service}"},
        },
    )


def _sqlite_is_down(error: DBAPIError) -> bool:
    name = str(getattr(error.orig, "sqlite_errorname", ""))
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN"))
