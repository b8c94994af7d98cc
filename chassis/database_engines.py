"""SQLAlchemy engines for SQLite and PostgreSQL, set up so that nothing waits for ever."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from chassis.database_hops import Driver
from chassis.database_patience import PatientEngine
from chassis.database_tls import tls
from chassis.settings import BadSettings

#: Seconds for which a writer waits for SQLite's one write lock, and anybody for a free connection.
LOCK_SECONDS, POOL_SECONDS = 15.0, 10.0
#: Seconds that PostgreSQL has to accept a connection, and to answer a statement.
CONNECT_SECONDS, STATEMENT_SECONDS = 5.0, 30.0
#: The option of a SQLite connection that begins no transactions. (Its isolation level does the same, but
#: costs six statements for every connection that is borrowed.)
ONLY_READS = "only_reads"

_KNOWN = "postgresql+asyncpg://user:password@host/database or sqlite+aiosqlite:///file"


def engine_of(url: str, service: str, pool: int) -> AsyncEngine:
    """An engine that has not connected yet. Raises BadSettings for a URL of another kind."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise BadSettings(f"DATABASE_URL is not a database's URL; set {_KNOWN}") from None
    match parsed.drivername:
        case "sqlite+aiosqlite":
            return _sqlite(parsed)
        case "postgresql+asyncpg":
            return _postgresql(parsed, service, pool)
    raise BadSettings(f"DATABASE_URL begins with {parsed.drivername}:, but what is known is {_KNOWN}")


def _sqlite(url: URL) -> AsyncEngine:
    if url.database in (None, "", ":memory:"):
        raise BadSettings("DATABASE_URL names no file; set sqlite+aiosqlite:///file")
    _open_once(Path(str(url.database)))
    engine = create_async_engine(
        url,
        module=Driver(),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=4,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        # Rows hold what people have written; a log line and a dead letter's reason are no place for it.
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        try:
            _prepare(connection)
        except BaseException:
            # The pool forgets a connection that fails here, and its thread would live on.
            connection.close()
            raise

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        # A transaction takes the write lock before it looks at anything.
        if not connection.get_execution_options().get(ONLY_READS):
            connection.connection.dbapi_connection.begin_with_next()

    return PatientEngine(engine.sync_engine)


def _open_once(file: Path) -> None:
    """Said here, where it is plain: the driver leaves a thread behind when it can't open a file, which may
    then outlive the process's loop and write a trace of its own under our sentence."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        sqlite3.connect(file).close()
    except (OSError, sqlite3.Error) as why:
        raise BadSettings(f"DATABASE_URL: the file {file} can't be opened or made ({why})") from why


def _prepare(connection: Any) -> None:
    # The driver's own implicit BEGIN comes too late and is not IMMEDIATE.
    connection.isolation_level = None
    cursor = connection.cursor()
    # The patience first: switching to WAL waits for others, too.
    for pragma in (
        f"busy_timeout={LOCK_SECONDS * 1000:.0f}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _postgresql(url: URL, service: str, pool: int) -> AsyncEngine:
    url, secured = tls(url)
    engine = create_async_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": STATEMENT_SECONDS,
            "server_settings": {"search_path": service, "application_name": f"darkroom {service}"},
            **secured,
        },
    )
    event.listen(engine.sync_engine, "checkout", _still_open)
    return engine


def _still_open(connection: Any, *_: Any) -> None:
    """Raises DisconnectionError where the server has hung up meanwhile, for another connection to be made.
    The driver hears that by itself; to ask the server each time would be a statement more in every
    transaction."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError
