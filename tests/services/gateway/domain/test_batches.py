"""The word for a batch, what is said at its end, and what a retry asks for."""

from dataclasses import replace

import pytest

from contracts.events import ImageFailed, ImageStored
from services.gateway.domain import images
from services.gateway.domain.batches import (
    Batch,
    BatchStatus,
    batch_status,
    count,
    finished,
    is_complete,
    refused,
    same_request,
    to_retry,
)
from services.gateway.domain.images import ImageState, Status
from tests.services.gateway.events import FIRST, failed, rejected, request, stored

Q, R, S, P, F, C, D, X = Status
ASKED = Batch(request(quantity=3), 0.0)
NUMBERED = replace(ASKED, first=FIRST)
CANCELED = replace(NUMBERED, cancel_requested_at=1.0)


def image(
    ordinal: int, *events: ImageStored | ImageFailed, round_: int = 1, deleted: bool = False
) -> ImageState:
    known = ImageState("b1", ordinal, FIRST + ordinal, round_, deleted=deleted)
    for event in events:
        known = images.stored(known, event) if isinstance(event, ImageStored) else images.failed(known, event)
    return known


@pytest.mark.parametrize(
    ("batch", "counts", "status"),
    [
        (ASKED, {}, "queued"),
        (NUMBERED, {Q: 3}, "queued"),
        (NUMBERED, {Q: 2, R: 1}, "running"),
        (NUMBERED, {Q: 2, S: 1}, "running"),
        (NUMBERED, {S: 3}, "succeeded"),
        (NUMBERED, {S: 2, D: 1}, "succeeded"),
        (NUMBERED, {S: 2, P: 1}, "partially_succeeded"),
        (NUMBERED, {S: 2, X: 1}, "partially_succeeded"),
        (NUMBERED, {X: 3}, "failed"),
        (NUMBERED, {S: 1, F: 2}, "partially_succeeded"),
        (NUMBERED, {P: 3}, "failed"),
        (NUMBERED, {F: 3}, "failed"),
        (CANCELED, {Q: 2, S: 1}, "canceling"),
        (replace(ASKED, cancel_requested_at=1.0), {}, "canceling"),
        (CANCELED, {S: 1, C: 2}, "canceled"),
        (CANCELED, {S: 3}, "succeeded"),
        (replace(ASKED, rejected=rejected()), {}, "failed"),
        (ASKED, {S: 3}, "succeeded"),
    ],
)
def test_the_word_for_a_batch_follows_from_its_images(
    batch: Batch, counts: dict[Status, int], status: str
) -> None:
    assert batch_status(batch, counts) == status


def test_a_batch_of_which_an_image_is_on_a_gpu_is_running() -> None:
    assert batch_status(NUMBERED, {Q: 3}, started=True) is BatchStatus.RUNNING


def test_a_batch_is_complete_when_all_have_ended_and_it_is_known_how_many_there_are() -> None:
    assert is_complete(3, 3)
    assert not is_complete(2, 3)
    assert not is_complete(3, None)


def test_the_end_says_how_each_image_ended() -> None:
    known = [
        image(2, failed(2, code="cancelled")),
        image(0, stored(0)),
        image(1, failed(1, follows=True), stored(1, placeholder=True)),
    ]
    end = finished(NUMBERED, known)
    assert (end.status, end.succeeded, end.placeholders, end.failed, end.canceled) == ("canceled", 1, 1, 0, 1)
    assert [(result.ordinal, result.status, result.code) for result in end.results] == [
        (0, "succeeded", None),
        (1, "placeholder", "gpu_failed"),
        (2, "canceled", "cancelled"),
    ]
    assert end.results[0].url == stored(0).url
    assert end.results[2].public_id is None


def test_the_end_of_a_batch_that_was_retried_is_another_message() -> None:
    batch = Batch(request(quantity=2), 0.0, first=FIRST)
    first, again = (finished(batch, [image(0, stored(0)), image(1, failed(1, n))]) for n in (1, 2))
    assert (first.round, again.round) == (1, 2)
    assert first.id() != again.id()


ENDS = [
    image(0, stored(0)),
    image(1, failed(1)),
    image(2, stored(2, placeholder=True)),
    image(3, failed(3, 2, "cancelled")),
    image(4, stored(4), deleted=True),
    image(5),
]


def test_the_end_says_which_image_was_given_another_number() -> None:
    moved = images.stored(images.asked(image(1), 40), stored(1, index=40))
    end = finished(Batch(request(), 0.0, first=FIRST), [image(0, stored(0)), moved])
    assert [(result.index, result.moved_from) for result in end.results] == [(FIRST, None), (40, FIRST + 1)]


def test_a_deleted_placeholder_stays_a_placeholder_in_the_counts() -> None:
    known = [image(0, stored(0), deleted=True), image(1, stored(1, placeholder=True), deleted=True)]
    end = finished(Batch(request(), 0.0, first=FIRST), known)
    assert (end.status, end.succeeded, end.placeholders) == ("partially_succeeded", 1, 1)
    assert [result.status for result in end.results] == ["deleted", "deleted"]


def test_the_end_of_a_refused_batch_has_no_images() -> None:
    end = refused("b1", "Areg")
    assert (end.status, end.round, end.results, end.failed) == ("failed", 1, (), 0)


def test_a_retry_takes_nothing_that_is_being_deleted() -> None:
    going = replace(image(0, stored(0, placeholder=True)), delete_requested=True)
    assert to_retry([going], None) == (2, ())


def test_a_retry_takes_what_failed_was_cancelled_or_is_a_placeholder() -> None:
    assert to_retry(ENDS, None) == (3, (1, 2, 3))


def test_a_retry_takes_of_what_was_named_only_what_can_be_retried() -> None:
    assert to_retry(ENDS, [0, 2, 4, 5, 99]) == (3, (2,))


def test_a_retry_is_in_a_round_higher_than_any_of_the_batch() -> None:
    round_, chosen = to_retry([image(0, stored(0, 7)), image(1, failed(1))], [1])
    assert (round_, chosen) == (8, (1,))


def test_the_same_request_is_one_that_travels_as_the_same_json() -> None:
    one = request(parameters={"a": 1, "b": 2})
    assert same_request(one, request(parameters={"b": 2, "a": 1}))
    assert not same_request(one, request(parameters={"a": True, "b": 2}))


def test_images_are_counted_by_status() -> None:
    assert count(ENDS) == {S: 1, F: 1, P: 1, C: 1, D: 1, Q: 1}
