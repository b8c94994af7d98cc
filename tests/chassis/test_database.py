"""Transactions on both databases: what they keep, who waits for whom, and what a cancelled one leaves."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from chassis.database import Database
from messaging.errors import Outage, TemporaryError
from tests.chassis.databases import NOTES, count, numbers, opened, said, start, write


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    async with opened(database_url, tmp_path) as there:
        yield there


async def test_a_transaction_is_kept_at_the_end_of_its_block(database: Database) -> None:
    await write(database, 1)
    assert await numbers(database) == [1]


async def test_a_transaction_that_raises_leaves_nothing_and_passes_the_error_on(database: Database) -> None:
    with pytest.raises(KeyError, match="ours"):
        await _begun_and_failed(database)
    assert await numbers(database) == []


async def _begun_and_failed(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(NOTES.insert().values(id=99))
        raise KeyError("ours")


async def test_a_statement_that_is_wrong_is_no_trouble_of_the_database(database: Database) -> None:
    await write(database, 1)
    with pytest.raises(IntegrityError) as refused:
        await write(database, 1, "private words")
    assert "private words" not in str(refused.value)
    with pytest.raises(ProgrammingError if database.is_postgresql else OperationalError, match="nowhere"):
        async with database.read() as connection:
            await connection.execute(text("SELECT 1 FROM nowhere"))
    assert await database.trouble() is None


async def test_an_insert_can_say_what_happens_on_a_conflict(database: Database) -> None:
    again = database.insert(NOTES).values(id=1, words="second").on_conflict_do_nothing()
    await write(database, 1, "first")
    async with database.begin() as connection:
        assert (await connection.execute(again)).rowcount == 0
    assert await numbers(database) == [1]


async def test_reads_and_writes_take_turns_on_the_same_connections(database: Database) -> None:
    for number in range(10):
        await write(database, number)
        assert await count(database) == number + 1
        with pytest.raises(KeyError):
            await _begun_and_failed(database)
    assert await count(database) == 10


async def test_readers_do_not_wait_for_a_writer_nor_for_those_that_wait_for_it(database: Database) -> None:
    async with asyncio.TaskGroup() as tasks, database.begin() as connection:
        await connection.execute(NOTES.insert().values(id=0))
        for number in range(1, 6):
            tasks.create_task(write(database, number))
        async with asyncio.timeout(3):
            for _ in range(20):
                assert 0 not in await numbers(database)
    assert await numbers(database) == list(range(6))


async def test_two_writers_of_one_row_take_turns(database: Database) -> None:
    await write(database, 0, "0")

    async def add() -> None:
        async with database.begin() as connection:
            lock = " FOR UPDATE" if database.is_postgresql else ""
            words = (await connection.execute(text(f"SELECT words FROM notes WHERE id = 0{lock}"))).scalar()
            await connection.execute(NOTES.update().values(words=str(int(words or 0) + 1)))

    await asyncio.gather(*(add() for _ in range(20)))
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT words FROM notes"))).scalar() == "20"


async def test_writers_in_several_processes_take_turns(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as database:
        writers = [
            await start("writer", database_url, str(tmp_path), str(first), "40", "end")
            for first in (100, 200)
        ]
        for number in range(40):
            await write(database, number)
        for writer in writers:
            await said(writer, "committed")
            assert await writer.wait() == 0
        assert await count(database) == 120


async def test_what_was_committed_survives_a_killed_process_and_nothing_else_does(
    database_url: str, tmp_path: Path
) -> None:
    writer = await start("writer", database_url, str(tmp_path), "1", "3", "hold")
    await said(writer, "holds")
    writer.kill()
    await writer.wait()
    async with opened(database_url, tmp_path) as database:
        assert await numbers(database) == [1, 2, 3]
        async with asyncio.timeout(5):
            await write(database, 4)


async def test_a_task_cancelled_at_any_moment_leaves_the_connections_usable(database: Database) -> None:
    async def busy(number: int) -> None:
        async with database.begin() as connection:
            await connection.execute(NOTES.insert().values(id=number))
            await connection.execute(text("SELECT count(*) FROM notes"))

    for number in range(60):
        task = asyncio.create_task(busy(number))
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(10):
        await asyncio.gather(*(write(database, number) for number in range(1000, 1020)))
    assert len([number for number in await numbers(database) if number >= 1000]) == 20


async def test_a_long_statement_can_be_cancelled(postgres_url: str, tmp_path: Path) -> None:
    async with opened(postgres_url, tmp_path, pool=1) as database:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await _sleep(database)
        async with asyncio.timeout(5):
            await write(database, 1)


async def _sleep(database: Database) -> None:
    try:
        async with database.begin() as connection:
            await connection.execute(text("SELECT pg_sleep(60)"))
    except Outage as error:
        raise AssertionError("a cancelled task is no outage") from error


async def test_a_deadlock_is_tried_again(postgres_url: str, tmp_path: Path) -> None:
    async with opened(postgres_url, tmp_path) as database:
        await write(database, 1)
        await write(database, 2)
        both = asyncio.Barrier(2)

        async def cross(first: int, second: int) -> None:
            async with database.begin() as connection:
                await connection.execute(NOTES.update().where(NOTES.c.id == first).values(words="a"))
                await both.wait()
                await connection.execute(NOTES.update().where(NOTES.c.id == second).values(words="b"))

        ends = await asyncio.gather(cross(1, 2), cross(2, 1), return_exceptions=True)
    (lost,) = [end for end in ends if end is not None]
    assert isinstance(lost, TemporaryError)
    assert lost.delay == 0
    assert "deadlock" in str(lost)


async def test_each_service_has_its_own_schema(postgres_url: str, tmp_path: Path) -> None:
    async with opened(postgres_url, tmp_path) as database:
        await write(database, 1)
        async with database.read() as connection:
            tables = await connection.execute(
                text("SELECT schemaname || '.' || tablename FROM pg_tables WHERE tablename = 'notes'")
            )
            assert tables.scalars().all() == ["shop.notes"]


async def test_cancelled_readers_of_rows_keep_no_lock_from_the_next_writer(database: Database) -> None:
    """A statement that is given up unfinished would keep SQLite's lock until the garbage is collected."""
    await asyncio.gather(*(write(database, number) for number in range(40)))
    for moment in range(60):
        tasks = [asyncio.create_task(_reads_and_writes(database, 1000 + moment * 10 + n)) for n in range(3)]
        await asyncio.sleep(moment / 10_000)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(5):
            await write(database, 100 + moment)


async def _reads_and_writes(database: Database, number: int) -> None:
    async with database.begin() as connection:
        for place in range(3):
            await connection.execute(NOTES.insert().values(id=number * 10 + place))
            (await connection.execute(NOTES.select())).first()
