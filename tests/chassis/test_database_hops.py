"""What a statement on SQLite costs in visits to its connection's thread, and that nothing else changed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, text
from sqlalchemy.exc import IntegrityError

from chassis.database import Database
from chassis.database_engines import engine_of

THINGS = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("name", String(9)))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    engine = engine_of(f"sqlite+aiosqlite:///{tmp_path}/things.db", "things", 4)
    database = Database(engine)
    async with database.begin() as connection:
        await connection.run_sync(THINGS.metadata.create_all)
        await connection.execute(insert(THINGS), [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}])
    yield database
    await engine.dispose()


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the driver's threads are asked to do."""
    seen: list[str] = []
    visit: Any = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, work: Any, *args: Any) -> Any:
        seen.append(str(work))
        return await visit(self, work, *args)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    return seen


async def test_a_statement_with_all_its_rows_is_one_visit(database: Database, visits: list[str]) -> None:
    async with database.read() as connection:
        rows = (await connection.execute(select(THINGS).order_by(THINGS.c.id))).all()
    assert [tuple(row) for row in rows] == [(1, "one"), (2, "two")]
    assert len(visits) == 1


async def test_a_transaction_costs_its_statements_and_its_commit(
    database: Database, visits: list[str]
) -> None:
    async with database.begin() as connection:
        await connection.execute(insert(THINGS), [{"id": 3, "name": "three"}])
        await connection.execute(text("UPDATE things SET name = 'III' WHERE id = 3"))
    assert len(visits) == 3


async def test_a_transaction_without_a_statement_costs_nothing(database: Database, visits: list[str]) -> None:
    async with database.begin():
        pass
    assert visits == []


async def test_the_first_statement_takes_the_write_lock_though_it_only_reads(
    database: Database, tmp_path: Path
) -> None:
    async with database.begin() as connection:
        await connection.execute(select(THINGS))
        other = await aiosqlite.connect(tmp_path / "things.db", timeout=0)
        with pytest.raises(aiosqlite.OperationalError, match="locked"):
            await other.execute("BEGIN IMMEDIATE")
        await other.close()


async def test_a_reader_takes_no_lock(database: Database, tmp_path: Path) -> None:
    async with database.read() as connection:
        await connection.execute(select(THINGS))
        other = await aiosqlite.connect(tmp_path / "things.db", timeout=0)
        await other.execute("BEGIN IMMEDIATE")
        await other.close()


async def test_a_refused_statement_keeps_its_error_and_undoes_the_whole_transaction(
    database: Database,
) -> None:
    async def write(*ids: int) -> None:
        async with database.begin() as connection:
            for number in ids:
                await connection.execute(insert(THINGS), [{"id": number, "name": "new"}])

    with pytest.raises(IntegrityError):
        await write(4, 1)
    async with database.read() as connection:
        assert [row.id for row in await connection.execute(select(THINGS))] == [1, 2]


async def test_what_follows_a_caught_error_belongs_to_the_same_transaction(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(insert(THINGS), [{"id": 5, "name": "five"}])
        with pytest.raises(IntegrityError):
            await connection.execute(insert(THINGS), [{"id": 1, "name": "again"}])
        await connection.execute(insert(THINGS), [{"id": 6, "name": "six"}])
    async with database.read() as connection:
        assert [row.id for row in await connection.execute(select(THINGS))] == [1, 2, 5, 6]


async def test_rows_can_be_returned_and_counted_by_what_writes_them(database: Database) -> None:
    async with database.begin() as connection:
        made = await connection.scalars(insert(THINGS).values(name="new").returning(THINGS.c.id))
        assert list(made) == [3]
        done = await connection.execute(text("UPDATE things SET name = 'x'"))
        assert done.rowcount == 3
