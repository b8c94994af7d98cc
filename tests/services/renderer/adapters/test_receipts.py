"""What a backend calls a job is kept for whoever takes the row over, and forgotten with the job."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.renderer.adapters.receipts import open_receipts
from services.renderer.domain.dispatch import Offer
from services.renderer.domain.jobs import Job
from services.renderer.domain.troubles import Again
from tests.services.renderer.books import LEASE, Book, opened, replica
from tests.services.renderer.requests import reserved

ONE = Offer("one", 1)


@pytest.fixture
async def book(database_url: str) -> AsyncIterator[Book]:
    async with opened(database_url) as made:
        await made.intake.accept(reserved())
        yield made


async def note(book: Book, job: Job, receipt: str, owner: str = "one") -> None:
    async with open_receipts(book.database, owner) as receipts:
        await receipts.note(job, receipt)


async def test_whoever_takes_a_row_over_knows_what_its_backend_calls_the_job(book: Book) -> None:
    (job,) = await book.claim(ONE)
    assert job.receipt is None
    await note(book, job, "abc-u1")
    book.clock.now += LEASE + 1
    (taken,) = await replica(book.database, book.clock, "two").claim(ONE)
    assert (taken.remote_id, taken.receipt, taken.fresh) == (job.remote_id, "abc-u1", False)


async def test_a_row_that_is_no_longer_ours_keeps_the_other_ones_receipt(book: Book) -> None:
    (job,) = await book.claim(ONE)
    book.clock.now += LEASE + 1
    other = replica(book.database, book.clock, "two")
    (taken,) = await other.claim(ONE)
    await note(other, taken, "theirs", "two")
    await note(book, job, "ours")
    book.clock.now += LEASE + 1
    (again,) = await book.claim(ONE)
    assert again.receipt == "theirs"


@pytest.mark.parametrize(("alive", "receipt"), [(True, "abc-u1"), (False, None)])
async def test_a_job_that_may_live_on_is_found_by_its_receipt_and_another_one_has_none(
    book: Book, alive: bool, receipt: str | None
) -> None:
    (job,) = await book.claim(ONE)
    await note(book, job, "abc-u1")
    await book.endings.put_back(job, Again(book.clock.now, 0, "one", perhaps_alive=alive))
    (again,) = await book.claim(ONE)
    assert again.receipt == receipt
    assert again.fresh is not alive


async def test_another_backend_gets_a_job_of_its_own(book: Book) -> None:
    (job,) = await book.claim(ONE)
    await note(book, job, "abc-u1")
    await book.endings.put_back(job, Again(book.clock.now, 0, "one", perhaps_alive=True))
    (again,) = await book.claim(Offer("two", 1))
    assert again.receipt is None
    assert again.remote_id != job.remote_id


async def test_many_names_at_once_are_all_kept_each_with_its_job(book: Book) -> None:
    await book.intake.accept(reserved("b2", quantity=50, first=2))
    jobs = await book.claim(Offer("one", 64))
    async with open_receipts(book.database, "one") as receipts:
        await asyncio.gather(*(receipts.note(job, f"at-{job.index}") for job in jobs))
    book.clock.now += LEASE + 1
    taken = await replica(book.database, book.clock, "two").claim(Offer("one", 64))
    assert len(taken) == 51
    assert all(job.receipt == f"at-{job.index}" for job in taken)
