"""Two transactions at once on one row: PostgreSQL's own answers, which SQLite's one writer never asks for."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.renderer.domain.dispatch import Offer
from services.renderer.domain.jobs import Job, failed
from tests.services.renderer.books import Book, done, opened, replica
from tests.services.renderer.requests import reserved

MANY = Offer("one", 100)


@pytest.fixture
async def book(postgres_url: str) -> AsyncIterator[Book]:
    async with opened(postgres_url) as made:
        yield made


async def waits(book: Book, task: "asyncio.Future[list[bool]]") -> None:
    """Returns when the task's transaction waits for the one of the caller."""
    ours = "wait_event_type = 'Lock' AND datname = current_database()"
    waiting = text(f"SELECT count(*) FROM pg_stat_activity WHERE {ours}")
    async with asyncio.timeout(20), book.database.read() as connection:
        while not task.done() and not await connection.scalar(waiting):  # noqa: ASYNC110 - a lock tells no one
            await asyncio.sleep(0.01)
    assert not task.done()


async def change(connection: AsyncConnection, job: Job, values: str) -> None:
    where = "batch_id = :batch_id AND ordinal = :ordinal AND round = :round"
    await connection.execute(text(f"UPDATE jobs SET {values} WHERE {where}"), job.key._asdict())


async def states(book: Book) -> Sequence[tuple[int, str, bool]]:
    async with book.database.read() as connection:
        rows = await connection.execute(text("SELECT ordinal, state, cancel FROM jobs ORDER BY ordinal"))
        return [(row.ordinal, row.state, row.cancel) for row in rows]


async def test_an_end_that_waited_for_another_one_is_not_the_first(book: Book) -> None:
    await book.intake.accept(reserved(quantity=3))
    jobs = await book.claim(MANY)
    async with book.database.begin() as connection:
        await change(
            connection, jobs[1], "state = 'cancelled', ended_at = 1, ending = '{}', lease_owner = NULL"
        )
        task = asyncio.gather(*(book.finish(job) for job in jobs))
        await waits(book, task)
    assert await task == [True, False, True]
    assert [state for _, state, _ in await states(book)] == ["done", "cancelled", "done"]


async def test_an_end_that_waited_for_another_change_of_its_row_keeps_that(book: Book) -> None:
    await book.intake.accept(reserved(quantity=2))
    jobs = await book.claim(MANY)
    async with book.database.begin() as connection:
        for job in jobs:
            await change(connection, job, "cancel = true, lease_until = lease_until + 1")
        task = asyncio.gather(*(book.finish(job) for job in jobs))
        await waits(book, task)
    assert await task == [True, True]
    assert await states(book) == [(0, "done", True), (1, "done", True)]


async def test_replicas_that_end_the_same_images_in_any_order_neither_hang_nor_both_come_first(
    book: Book,
) -> None:
    other = replica(book.database, book.clock, "two")
    for number in range(5):
        await book.intake.accept(reserved(f"b{number}", quantity=40))
        jobs = await book.claim(MANY)
        late = [failed(job.key, job.batch, "node_failed", "late") for job in jobs]
        mine = [book.endings.end(job, done(job)) for job in jobs]
        theirs = [other.endings.end(job, end) for job, end in reversed([*zip(jobs, late, strict=True)])]
        first, second = await asyncio.gather(asyncio.gather(*mine), asyncio.gather(*theirs))
        assert [a != b for a, b in zip(first, reversed(second), strict=True)] == [True] * 40
    assert await book.count("running") == 0
