"""The job book as messages see it, on both databases."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import insert, select

from contracts.commands import RetryImages
from contracts.events import ImageFailed, ImageReady
from messaging.errors import TemporaryError
from services.renderer.adapters.rows import KEY, waiting_values
from services.renderer.adapters.tables import cancels, jobs
from services.renderer.domain.dispatch import Offer
from services.renderer.domain.jobs import Batch, Key
from services.renderer.domain.troubles import Again
from tests.services.renderer.books import Book, opened, statements
from tests.services.renderer.requests import reserved

ONE = Offer("one", 100)


@pytest.fixture
async def book(database_url: str) -> AsyncIterator[Book]:
    async with opened(database_url) as made:
        yield made


async def test_a_batch_becomes_one_row_per_image_once(book: Book) -> None:
    assert list(await book.intake.accept(reserved(quantity=3))) == []
    assert list(await book.intake.accept(reserved(quantity=3))) == []
    assert await book.count("waiting") == 3


async def test_every_row_is_that_of_its_image_however_it_was_inserted(book: Book) -> None:
    await book.intake.accept(reserved(quantity=3, first=7))
    async with book.database.read() as connection:
        rows = [dict(row) for row in (await connection.execute(select(jobs).order_by(*KEY))).mappings()]
    batch = Batch(reserved().request, "folder", 7, 0, 0)
    wanted = [waiting_values(Key("b1", ordinal, 1), batch, book.clock.now) for ordinal in range(3)]
    assert rows == [dict.fromkeys(jobs.columns.keys()) | each for each in wanted]


async def test_a_new_batch_costs_the_same_few_statements_however_many_its_images(book: Book) -> None:
    """On PostgreSQL the second one looks for a cancel, and there is no transaction around them."""
    for quantity in (1, 500):
        with statements() as asked:
            await book.intake.accept(reserved(f"b{quantity}", quantity=quantity))
        assert len(asked) == (2 if book.database.is_postgresql else 3)
    assert await book.count("waiting") == 501


async def test_two_deliveries_of_a_batch_at_once_insert_its_rows_once(book: Book) -> None:
    await asyncio.gather(*(book.intake.accept(reserved(quantity=20)) for _ in range(4)))
    assert await book.count("waiting") == 20


async def test_a_row_that_is_done_is_announced_again_and_never_rendered_again(book: Book) -> None:
    await book.intake.accept(reserved(quantity=2))
    first, _ = await book.claim(ONE)
    assert await book.finish(first)
    (said,) = await book.intake.accept(reserved(quantity=2))
    assert isinstance(said, ImageReady)
    assert (said.ordinal, said.blob_key) == (first.key.ordinal, "blob")
    assert await book.claim(ONE) == []


async def test_the_drawn_seed_is_kept_and_counted_up(book: Book) -> None:
    await book.intake.accept(reserved(quantity=3))
    seeds = {job.key.ordinal: job.seed for job in await book.claim(ONE)}
    assert [seeds[n] - seeds[0] for n in range(3)] == [0, 1, 2]
    await book.intake.accept(reserved(quantity=3))
    book.clock.now += 100
    assert {job.key.ordinal: job.seed for job in await book.claim(ONE)} == seeds


async def test_a_cancel_ends_what_waits_and_marks_what_runs(book: Book) -> None:
    await book.intake.accept(reserved(quantity=3))
    (running,) = await book.claim(Offer("one", 1))
    said = await book.intake.cancel("b1", None)
    assert [(each.ordinal, each.code) for each in said if isinstance(each, ImageFailed)] == [
        (1, "cancelled"),
        (2, "cancelled"),
    ]
    assert await book.claims.cancelled() == {running.key}


async def test_a_cancelled_image_never_makes_a_placeholder_and_can_be_retried(book: Book) -> None:
    await book.intake.accept(reserved())
    (said,) = await book.intake.cancel("b1", None)
    assert isinstance(said, ImageFailed)
    assert (said.placeholder_follows, said.retryable) == (False, True)


async def test_a_repeated_cancel_says_again_how_everything_ended(book: Book) -> None:
    await book.intake.accept(reserved(quantity=2))
    (job,) = await book.claim(Offer("one", 1))
    first = await book.intake.cancel("b1", None)
    assert await book.finish(job)
    assert [type(each) for each in await book.intake.cancel("b1", None)] == [ImageReady, ImageFailed]
    assert len(first) == 1


async def test_a_batch_that_was_cancelled_before_it_came_ends_as_cancelled(book: Book) -> None:
    assert list(await book.intake.cancel("b1", None)) == []
    said = await book.intake.accept(reserved(quantity=2))
    assert [each.code for each in said if isinstance(each, ImageFailed)] == ["cancelled"] * 2
    assert await book.claim(ONE) == []


async def test_a_cancel_that_a_process_did_not_live_to_look_for_is_found_by_the_next_delivery(
    book: Book,
) -> None:
    await book.intake.accept(reserved(quantity=2))
    (running,) = await book.claim(Offer("one", 1))
    async with book.database.begin() as connection:
        await connection.execute(insert(cancels).values(batch_id="b1", round=1, at=book.clock.now))
    said = await book.intake.accept(reserved(quantity=2))
    assert [(each.ordinal, getattr(each, "code", None)) for each in said] == [(1, "cancelled")]
    assert await book.claims.cancelled() == {running.key}


async def test_a_cancel_and_its_batch_at_once_leave_nothing_waiting(book: Book) -> None:
    for number in range(10):
        batch = f"race-{number}"
        await asyncio.gather(book.intake.cancel(batch, None), book.intake.accept(reserved(batch, quantity=5)))
    assert await book.count("waiting") == 0
    assert await book.count("cancelled") == 50


async def test_a_row_on_its_way_back_to_waiting_keeps_its_cancel(book: Book) -> None:
    await book.intake.accept(reserved())
    (job,) = await book.claim(ONE)
    await book.intake.cancel("b1", None)
    await book.endings.put_back(job, Again(0.0, 1, "one"))
    (again,) = await book.claim(ONE)
    assert again.cancelled


async def test_a_late_copy_of_a_cancel_does_not_cancel_what_was_asked_for_again(book: Book) -> None:
    await book.intake.accept(reserved(quantity=2))
    await book.intake.cancel("b1", 1)
    await book.intake.retry(RetryImages(batch_id="b1", round=2, ordinals=(0, 1)))
    (running,) = await book.claim(Offer("one", 1))
    await book.intake.cancel("b1", 1)
    assert await book.claims.cancelled() == set()
    assert await book.finish(running)
    assert [(job.key.round, job.cancelled) for job in await book.claim(ONE)] == [(2, False)]


async def test_a_cancel_of_the_retried_round_cancels_it_and_so_does_one_without_a_round(book: Book) -> None:
    for batch, round_ in (("b1", 2), ("b2", None)):
        await book.intake.accept(reserved(batch))
        await book.intake.cancel(batch, 1)
        await book.intake.retry(RetryImages(batch_id=batch, round=2, ordinals=(0,)))
        (said,) = await book.intake.cancel(batch, round_)
        assert isinstance(said, ImageFailed)
        assert (said.round, said.code) == (2, "cancelled")
    assert await book.claim(ONE) == []


async def test_a_retry_that_its_cancel_overtook_ends_as_cancelled(book: Book) -> None:
    await book.intake.accept(reserved())
    await book.intake.cancel("b1", 1)
    await book.intake.cancel("b1", 2)
    retry = RetryImages(batch_id="b1", round=2, ordinals=(0,))
    for said in (await book.intake.retry(retry), await book.intake.retry(retry)):
        assert [(each.round, getattr(each, "code", "done")) for each in said] == [(2, "cancelled")]
    assert await book.claim(ONE) == []


async def test_an_older_cancel_takes_nothing_back_from_a_newer_one(book: Book) -> None:
    await book.intake.accept(reserved())
    await book.intake.cancel("b1", 3)
    await book.intake.cancel("b1", 1)
    await book.intake.retry(RetryImages(batch_id="b1", round=3, ordinals=(0,)))
    assert await book.claim(ONE) == []


async def test_a_retry_renders_what_has_ended_in_the_next_round(book: Book) -> None:
    await book.intake.accept(reserved(quantity=3))
    await book.intake.cancel("b1", None)
    retry = RetryImages(batch_id="b1", round=2, ordinals=(0, 2))
    assert list(await book.intake.retry(retry)) == []
    claimed = await book.claim(ONE)
    assert [(job.key.ordinal, job.key.round, job.cancelled) for job in claimed] == [
        (0, 2, False),
        (2, 2, False),
    ]


async def test_a_repeated_retry_inserts_nothing_and_says_again_what_has_ended(book: Book) -> None:
    await book.intake.accept(reserved())
    await book.intake.cancel("b1", None)
    retry = RetryImages(batch_id="b1", round=2, ordinals=(0,))
    await book.intake.retry(retry)
    (job,) = await book.claim(ONE)
    assert list(await book.intake.retry(retry)) == []
    assert await book.finish(job)
    (said,) = await book.intake.retry(retry)
    assert said.round == 2
    assert await book.claim(ONE) == []


async def test_a_retry_of_an_older_round_than_the_newest_changes_nothing(book: Book) -> None:
    await book.intake.accept(reserved())
    await book.intake.cancel("b1", None)
    await book.intake.retry(RetryImages(batch_id="b1", round=3, ordinals=(0,)))
    await book.intake.cancel("b1", None)
    assert list(await book.intake.retry(RetryImages(batch_id="b1", round=2, ordinals=(0,)))) == []
    assert await book.claim(ONE) == []


async def test_an_image_that_has_not_ended_is_not_retried(book: Book) -> None:
    await book.intake.accept(reserved())
    await book.intake.retry(RetryImages(batch_id="b1", round=2, ordinals=(0,)))
    assert [job.key.round for job in await book.claim(ONE)] == [1]


async def test_a_retry_that_overtakes_its_batch_comes_again(book: Book) -> None:
    with pytest.raises(TemporaryError):
        await book.intake.retry(RetryImages(batch_id="b1", round=2, ordinals=(0,)))


async def test_the_endings_of_an_unknown_batch_are_none_and_of_a_fresh_one_empty(book: Book) -> None:
    assert await book.intake.endings("b1") is None
    await book.intake.accept(reserved())
    assert await book.intake.endings("b1") == []
