"""Two transactions at once on one row: PostgreSQL's own answers, which SQLite's one writer never asks for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.renderer.adapters.arrivals import TURN
from services.renderer.adapters.tables import batches, cancels
from services.renderer.domain.dispatch import Offer
from services.renderer.domain.jobs import Key, failed
from tests.services.renderer.books import Book, done, opened, replica
from tests.services.renderer.requests import reserved

MANY = Offer("one", 100)


@pytest.fixture
async def book(postgres_url: str) -> AsyncIterator[Book]:
    async with opened(postgres_url) as made:
        yield made


async def waits(book: Book, task: "asyncio.Future[Any]", transactions: int = 1) -> None:
    """Returns when so many transactions of the task wait for the one of the caller."""
    ours = "wait_event_type = 'Lock' AND datname = current_database()"
    waiting = text(f"SELECT count(*) FROM pg_stat_activity WHERE {ours}")
    async with asyncio.timeout(20), book.database.read() as connection:
        while not task.done() and await connection.scalar(waiting) < transactions:  # noqa: ASYNC110 - a lock tells no one
            await asyncio.sleep(0.01)
    assert not task.done()


async def change(connection: AsyncConnection, key: Key, values: str) -> None:
    where = "batch_id = :batch_id AND ordinal = :ordinal AND round = :round"
    await connection.execute(text(f"UPDATE jobs SET {values} WHERE {where}"), key._asdict())


async def states(book: Book) -> Sequence[tuple[int, str, bool]]:
    async with book.database.read() as connection:
        rows = await connection.execute(text("SELECT ordinal, state, cancel FROM jobs ORDER BY ordinal"))
        return [(row.ordinal, row.state, row.cancel) for row in rows]


async def test_an_end_that_waited_for_another_one_is_not_the_first(book: Book) -> None:
    await book.intake.accept(reserved(quantity=3))
    jobs = await book.claim(MANY)
    async with book.database.begin() as connection:
        await change(
            connection, jobs[1].key, "state = 'cancelled', ended_at = 1, ending = '{}', lease_owner = NULL"
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
            await change(connection, job.key, "cancel = true, lease_until = lease_until + 1")
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


async def test_a_batch_that_waited_for_its_cancel_ends_as_cancelled(book: Book) -> None:
    async with book.database.begin() as connection:
        await connection.execute(TURN, {"batch_id": "b1"})
        await connection.execute(insert(cancels).values(batch_id="b1", round=1, at=book.clock.now))
        task = asyncio.ensure_future(book.intake.accept(reserved(quantity=3)))
        await waits(book, task)
    assert [(each.ordinal, getattr(each, "code", None)) for each in await task] == [
        (0, "cancelled"),
        (1, "cancelled"),
        (2, "cancelled"),
    ]
    assert await book.count("cancelled") == 3
    assert list(await book.endings.unannounced(book.clock.now + 1)) == []
    assert await book.claim(MANY) == []


async def test_a_cancel_that_waited_for_its_batch_ends_it(book: Book) -> None:
    """The batch and its rows are committed by one statement that holds the turn to its end."""
    async with book.database.begin() as connection:
        await connection.execute(TURN, {"batch_id": "b1"})
        first = asyncio.ensure_future(book.intake.accept(reserved(quantity=3)))
        await waits(book, first)
        second = asyncio.ensure_future(book.intake.cancel("b1", None))
    said = [*await first, *await second]
    assert {each.ordinal for each in said} == {0, 1, 2}
    assert await book.count("cancelled") == 3


async def test_deliveries_of_one_batch_that_wait_for_each_other_insert_it_once(book: Book) -> None:
    async with book.database.begin() as connection:
        await connection.execute(TURN, {"batch_id": "b1"})
        both = asyncio.gather(*(book.intake.accept(reserved(quantity=3)) for _ in range(3)))
        await waits(book, both, 3)
    assert await both == [[], [], []]
    assert await book.count("waiting") == 3
    seeds = {job.batch.seed for job in await book.claim(MANY)}
    async with book.database.read() as connection:
        assert seeds == set(await connection.scalars(select(batches.c.seed)))


async def test_a_claim_that_waited_for_a_cancel_goes_on_without_what_it_ended(book: Book) -> None:
    await book.intake.accept(reserved(quantity=3))
    ended = Key("b1", 1, 1)
    async with book.database.begin() as connection:
        await change(connection, ended, "state = 'cancelled', ended_at = 1, ending = '{}'")
        task = asyncio.ensure_future(book.claim(MANY))
        await waits(book, task)
    claimed = await task
    assert [(job.key.ordinal, job.fresh) for job in claimed] == [(0, True), (2, True)]
    assert [state for _, state, _ in await states(book)] == ["running", "cancelled", "running"]


async def test_a_claim_that_waited_for_another_replicas_claim_counts_its_images(book: Book) -> None:
    await book.intake.accept(reserved(quantity=6))
    crews = [replica(book.database, book.clock, f"replica-{number}") for number in range(3)]
    async with book.database.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('renderer claims'))"))
        both = asyncio.gather(*(crew.claim(Offer("one", 4)) for crew in crews))
        await waits(book, both, 3)
    assert sorted(job.key.ordinal for jobs in await both for job in jobs) == [0, 1, 2, 3]
