"""The migrations make exactly the tables that the code uses."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from services.renderer.adapters.tables import jobs, metadata
from tests.services.renderer.books import opened


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return [each for each in compare_metadata(context, metadata) if "alembic_version" not in str(each)]


def _conditions(connection: Connection) -> dict[str, str]:
    dialect = connection.dialect.name
    found = {
        str(index["name"]): str(index.get("dialect_options", {}).get(f"{dialect}_where", ""))
        for index in inspect(connection).get_indexes("jobs")
    }
    return {name: _plain(where) for name, where in found.items()}


def _plain(where: str) -> str:
    """Without what PostgreSQL adds of its own: casts, brackets, and the type of a number."""
    for extra in ("::text", "::double precision", "::numeric", "::character varying", "(", ")", "'", '"'):
        where = where.replace(extra, "")
    return where


async def test_the_newest_revision_has_the_tables_of_the_code(database_url: str) -> None:
    async with opened(database_url) as book, book.database.begin() as connection:
        assert await connection.run_sync(_differences) == []


async def test_the_partial_indexes_have_the_conditions_of_the_code(database_url: str) -> None:
    async with opened(database_url) as book, book.database.begin() as connection:
        found = await connection.run_sync(_conditions)
        dialect = connection.dialect.name
    wanted = {str(index.name): _plain(str(index.dialect_options[dialect]["where"])) for index in jobs.indexes}
    assert found == wanted
