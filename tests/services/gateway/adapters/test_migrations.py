"""The tables as the migrations make them are the tables as the code knows them."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from chassis.database import Database
from services.gateway.adapters.tables import METADATA
from tests.services.gateway.databases import opened


def differences(connection: Connection) -> list[Any]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


def conditions(connection: Connection) -> set[str | None]:
    """Unique indexes and what they are limited to, which the comparison does not look at."""
    return {
        str(index["name"])
        for index in inspect(connection).get_indexes("characters")
        if index["unique"] and any(key.endswith("_where") for key in index.get("dialect_options", {}))
    }


async def test_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    async with database.begin() as connection:
        assert await connection.run_sync(differences) == []
        limited = await connection.run_sync(conditions)
        assert limited == {"characters_own_slug", "characters_premade_slug"}


async def test_opening_migrated_tables_again_changes_nothing(database: Database, database_url: str) -> None:
    async with opened(database_url) as again:
        assert await again.trouble() is None


async def test_ids_of_the_event_log_are_never_given_out_twice(database: Database) -> None:
    put = text("INSERT INTO changes (batch_id, kind, body, at) VALUES ('b1', 'x', '{}', 0) RETURNING id")
    async with database.begin() as connection:
        first = (await connection.execute(put)).scalar_one()
        await connection.execute(text("DELETE FROM changes"))
        assert (await connection.execute(put)).scalar_one() > first
