"""The last words on a row, on both databases: the first end wins, and nothing ends unsaid."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from contracts.events import ImageFailed
from messaging import tracing
from services.renderer.domain.dispatch import Offer
from services.renderer.domain.jobs import failed
from services.renderer.ports import Owed
from tests.services.renderer.books import LEASE, Book, done, opened, replica, statements
from tests.services.renderer.requests import reserved

ONE = Offer("one", 10)


@pytest.fixture
async def book(database_url: str) -> AsyncIterator[Book]:
    async with opened(database_url) as made:
        yield made


async def test_the_first_end_of_a_row_wins(book: Book) -> None:
    await book.intake.accept(reserved())
    (job,) = await book.claim(ONE)
    book.clock.now += LEASE
    other = replica(book.database, book.clock, "two")
    (taken,) = await other.claim(ONE)
    assert await book.finish(job)
    assert not await other.endings.end(taken, failed(job.key, job.batch, "node_failed", "too late"))
    assert list(await book.endings.unannounced(book.clock.now + 1)) == [Owed(done(job), None)]


async def test_an_image_is_rendered_and_its_end_said_in_the_trace_that_it_was_asked_for_in(
    book: Book,
) -> None:
    with tracing.span("asked for"):
        asked = tracing.traceparent()
        await book.intake.accept(reserved(quantity=2))
    with tracing.span("asked for again"):
        again = tracing.traceparent()
        await book.intake.accept(reserved(quantity=2))
    jobs = await book.claim(ONE)
    assert [job.traceparent for job in jobs] == [asked, asked]
    with tracing.span("rendered"):
        rendered = tracing.traceparent()
        await book.finish(jobs[0])
    assert len({asked, again, rendered}) == 3
    assert list(await book.endings.unannounced(book.clock.now + 1)) == [Owed(done(jobs[0]), rendered)]


async def test_images_that_end_at_the_same_time_share_a_commit_and_each_hears_its_own_answer(
    book: Book,
) -> None:
    await book.intake.accept(reserved(quantity=6))
    jobs = await book.claim(ONE)
    assert await book.finish(jobs[3])
    with statements() as asked:
        answers = await asyncio.gather(*(book.finish(job) for job in jobs))
    assert answers == [True, True, True, False, True, True]
    # Each is a commit; one that was under way when the others came, perhaps.
    assert len(asked) <= 2


async def test_of_two_ends_of_a_row_in_one_commit_the_one_that_was_asked_for_first_wins(book: Book) -> None:
    await book.intake.accept(reserved(quantity=2))
    jobs = await book.claim(ONE)
    late = [failed(job.key, job.batch, "node_failed", "too late") for job in jobs]
    ends = [*(book.finish(job) for job in jobs), *map(book.endings.end, jobs, late)]
    assert await asyncio.gather(*ends) == [True, True, False, False]
    assert await book.count("done") == 2


async def test_an_end_stays_unannounced_until_it_is_said(book: Book) -> None:
    await book.intake.accept(reserved())
    (job,) = await book.claim(ONE)
    await book.finish(job)
    assert list(await book.endings.unannounced(book.clock.now)) == []
    assert len(await book.endings.unannounced(book.clock.now + 1)) == 1
    await book.endings.announced([done(job)])
    assert list(await book.endings.unannounced(book.clock.now + 1)) == []


async def test_what_a_message_ended_is_said_by_that_message_alone(book: Book) -> None:
    await book.intake.accept(reserved(quantity=3))
    await book.intake.cancel("b1", None)
    assert list(await book.endings.unannounced(book.clock.now + 1)) == []


async def test_images_that_wait_too_long_end_and_what_runs_does_not(book: Book) -> None:
    await book.intake.accept(reserved(quantity=3))
    await book.claim(Offer("one", 1))
    assert await book.endings.end_overdue(book.clock.now, "late") == 0
    assert await book.endings.end_overdue(book.clock.now + 1, "late") == 2
    said = await book.endings.unannounced(book.clock.now + 1)
    failures = [each.ending for each in said if isinstance(each.ending, ImageFailed)]
    assert [(each.ordinal, each.code) for each in failures] == [(1, "deadline"), (2, "deadline")]
    assert await book.count("running") == 1
