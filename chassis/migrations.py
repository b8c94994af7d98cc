"""Brings a service's tables to their newest revision with Alembic, on SQLite and PostgreSQL alike."""

import asyncio
from pathlib import Path
from weakref import WeakKeyDictionary

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, text

#: Alembic keeps the running upgrade in module globals, so the services of one process take turns.
_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def turn() -> asyncio.Lock:
    """To be held around `upgrade` by whoever runs it beside other tasks of this event loop."""
    return _TURNS.setdefault(asyncio.get_running_loop(), asyncio.Lock())


def upgrade(connection: Connection, service: str, folder: Path) -> None:
    """Runs what is missing inside the caller's transaction; replicas that start together take turns."""
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
    command.upgrade(config, "head")


def run() -> None:
    """The whole of a service's `env.py`."""
    attributes = context.config.attributes
    connection: Connection = attributes["connection"]
    schema = attributes["service"] if connection.dialect.name == "postgresql" else None
    context.configure(connection=connection, version_table_schema=schema, transactional_ddl=False)
    context.run_migrations()
