"""Tables filled to a size in one statement: copies of rows that the services wrote themselves."""

from collections.abc import Mapping

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database


async def copied(
    database: Database, table: Table, pattern: str, times: int, changed: Mapping[str, str]
) -> None:
    """So many copies of each row for which the condition `pattern` holds. `changed` are the columns that
    differ, in SQL: `t` is the row, `g` the number of the copy, from 1."""
    async with database.begin() as connection:
        await _copy(connection, table, pattern, times, changed)


async def _copy(
    connection: AsyncConnection, table: Table, pattern: str, times: int, changed: Mapping[str, str]
) -> None:
    names = [column.name for column in table.columns]
    values = ", ".join(changed.get(name, f't."{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    rows = f"(SELECT * FROM {table.name} WHERE {pattern}) t, generate_series(1, {times}) g"
    await connection.execute(text(f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM {rows}"))


async def settled(database: Database, *tables: Table) -> None:
    """As a database is that has grown slowly: counted, cleaned, and written out."""
    async with database.begin() as connection:
        raw = await connection.get_raw_connection()
        driver = raw.driver_connection
        assert driver is not None
        await connection.commit()
        for table in tables:
            await driver.execute(f"VACUUM ANALYZE {table.name}")
        await driver.execute("CHECKPOINT")
