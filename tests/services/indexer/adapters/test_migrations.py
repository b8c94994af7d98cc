"""The tables as the migrations make them are the tables as the code knows them."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from services.indexer.adapters.tables import METADATA
from tests.services.indexer.ledgers import opened_database


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), METADATA))


async def test_migrations_make_the_tables_that_the_code_knows(database_url: str) -> None:
    async with opened_database(database_url) as database, database.begin() as connection:
        assert await connection.run_sync(differences) == []


async def test_opening_migrated_tables_again_changes_nothing(database_url: str) -> None:
    for _ in range(2):
        async with opened_database(database_url) as database:
            assert await database.trouble() is None
