"""The tables as the migrations make them are the tables as the code knows them."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from chassis.database import open_database
from services.uploader.adapters.tables import METADATA
from services.uploader.app import MIGRATIONS


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), METADATA))


async def test_migrations_make_the_tables_that_the_code_knows(database_url: str) -> None:
    for _ in range(2):
        async with (
            open_database(database_url, "uploader", MIGRATIONS) as database,
            database.begin() as connection,
        ):
            assert await connection.run_sync(differences) == []
