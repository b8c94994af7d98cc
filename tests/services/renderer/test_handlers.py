"""What each message comes to, against the real job book."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.commands import CancelBatch, RetryImages
from contracts.events import ImageFailed
from contracts.transient import ImagesWaiting
from messaging.errors import TemporaryError
from services.renderer import handlers
from services.renderer.domain.dispatch import Offer
from tests.services.renderer.books import Book, opened
from tests.services.renderer.requests import reserved


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[Book]:
    async with opened(f"sqlite+aiosqlite:///{tmp_path}/renderer.db") as made:
        yield made


async def test_a_reservation_wakes_whoever_has_a_free_slot(book: Book) -> None:
    here, elsewhere = asyncio.Event(), asyncio.Event()
    said = await handlers.on_indices_reserved(reserved(), book=book.intake, bell=here)
    assert said == [ImagesWaiting()]
    assert here.is_set()
    assert await handlers.on_images_waiting(ImagesWaiting(), bell=elsewhere) == ()
    assert elsewhere.is_set()


async def test_a_dead_reservation_fails_every_image_of_a_batch_that_is_not_in_the_book(book: Book) -> None:
    said = await handlers.bury_indices_reserved(reserved(quantity=3, first=7), "poison", book=book.intake)
    failed = [each for each in said if isinstance(each, ImageFailed)]
    assert [(each.ordinal, each.index, each.code) for each in failed] == [
        (n, n + 7, "dead_letter") for n in range(3)
    ]
    assert all(each.placeholder_follows and not each.retryable for each in failed)


async def test_a_dead_reservation_of_a_batch_that_goes_on_fails_nothing(book: Book) -> None:
    await book.intake.accept(reserved(quantity=2))
    (job,) = await book.claim(Offer("one", 1))
    await book.finish(job)
    said = await handlers.bury_indices_reserved(reserved(quantity=2), "poison", book=book.intake)
    assert [type(each).__name__ for each in said] == ["ImageReady"]


async def test_a_retry_of_a_batch_that_is_not_known_yet_comes_again(book: Book) -> None:
    command = RetryImages(batch_id="b1", round=2, ordinals=(0,))
    with pytest.raises(TemporaryError, match="not in the job book"):
        await handlers.on_retry_images(command, book=book.intake, bell=asyncio.Event())


async def test_a_cancel_says_how_what_waited_has_ended(book: Book) -> None:
    await handlers.on_indices_reserved(reserved(quantity=2), book=book.intake, bell=asyncio.Event())
    said = await handlers.on_cancel_batch(CancelBatch(batch_id="b1"), book=book.intake)
    assert [each.code for each in said if isinstance(each, ImageFailed)] == ["cancelled"] * 2
    repeated = await handlers.on_cancel_batch(CancelBatch(batch_id="b1"), book=book.intake)
    assert list(repeated) == list(said)
