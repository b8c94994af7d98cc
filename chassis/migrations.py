"""Brings a service's tables to their newest revision with Alembic, on SQLite and PostgreSQL alike."""

from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, text


def upgrade(connection: Connection, service: str, folder: Path) -> None:
    """Runs what is missing inside the caller's transaction; replicas that start together take turns."""
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"darkroom.{service}"}
        )
        connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{service}"'))
    config = Config()
    config.set_main_option("script_location", str(folder))
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
