"""Brings a service's tables to their newest revision with Alembic, on SQLite and PostgreSQL alike."""

import asyncio
from pathlib import Path
from weakref import WeakKeyDictionary

import structlog
from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

log = structlog.get_logger("database")

#: Alembic keeps the running upgrade in module globals, so the services of one process take turns.
_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def turn() -> asyncio.Lock:
    """To be held around `upgrade` by whoever runs it beside other tasks of this event loop."""
    return _TURNS.setdefault(asyncio.get_running_loop(), asyncio.Lock())


def upgrade(connection: Connection, service: str, folder: Path) -> None:
    """Runs what is missing inside the caller's transaction; replicas that start together take turns. Tables
    of a newer release are left as they are: its migrations only add, so that this one still can use them."""
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"darkroom.{service}"}
        )
        # Asked first: CREATE SCHEMA IF NOT EXISTS needs a right that a prepared schema makes unnecessary.
        known = text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
        if not connection.execute(known, {"name": service}).scalar():
            connection.execute(text(f'CREATE SCHEMA "{service}"'))
    config = Config()
    # The value is read with % as in a configuration file.
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["service"] = service
    ours, found = newest(folder), present(connection, service)
    if found is not None and _is_newer(found, ours):
        log.warning("tables are of a newer release", service=service, found=found, known=ours)
        return
    command.upgrade(config, "head")


def newest(folder: Path) -> str:
    """The last revision that this release knows."""
    head = ScriptDirectory(str(folder)).get_current_head()
    assert head is not None, f"no revision in {folder}"
    return head


def present(connection: Connection, service: str) -> str | None:
    """The revision of a service's tables; None where there are none."""
    schema = _schema(connection, service)
    return MigrationContext.configure(
        connection, opts={"version_table_schema": schema}
    ).get_current_revision()


def _is_newer(found: str, known: str) -> bool:
    """Revisions are numbers of one length; whatever else it is, is of other code."""
    return found.isdecimal() and len(found) == len(known) and found > known


def _schema(connection: Connection, service: str) -> str | None:
    return service if connection.dialect.name == "postgresql" else None


def run() -> None:
    """The whole of a service's `env.py`."""
    attributes = context.config.attributes
    connection: Connection = attributes["connection"]
    schema = _schema(connection, attributes["service"])
    context.configure(connection=connection, version_table_schema=schema, transactional_ddl=False)
    context.run_migrations()
