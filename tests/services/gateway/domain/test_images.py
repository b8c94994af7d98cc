"""What is known of an image is a maximum of all that was heard, in whatever order."""

from functools import reduce
from itertools import permutations

import pytest
from hypothesis import given, settings

from contracts.events import ImageFailed, ImageStored, IndexReassigned
from contracts.message import Message
from services.gateway.domain import images
from services.gateway.domain.images import ImageState, Status
from tests.services.gateway.events import FIRST, deleted, failed, moved, reserved, stored
from tests.services.gateway.histories import histories
from tests.services.gateway.readings import imagined

Event = ImageStored | ImageFailed | IndexReassigned


def grown(*events: Event) -> ImageState:
    return reduce(_heard, events, ImageState("b1", 0, 1))


def _heard(known: ImageState, event: Event) -> ImageState:
    match event:
        case ImageStored():
            return images.stored(known, event)
        case ImageFailed():
            return images.failed(known, event)
        case IndexReassigned():
            return images.asked(known, event.new_index, event.round)


def in_every_order(*events: Event) -> ImageState:
    """What is known at the end, which must be the same each time."""
    (known,) = {grown(*order, *order[:1]) for order in permutations(events)}
    return known


def status_of(*events: Message) -> str:
    readings = {str(imagined(order)): imagined(order) for order in permutations(events)}
    (reading,) = readings.values()
    return reading.images[0][0]


def test_an_image_that_nothing_was_heard_of_is_queued() -> None:
    assert ImageState("b1", 0, 1).status is Status.QUEUED


def test_order_of_truth_deleted_is_above_a_stored_image() -> None:
    assert status_of(deleted(), stored(), failed(round_=3)) == "deleted"


def test_order_of_truth_a_deletion_of_something_else_is_none_of_its() -> None:
    assert status_of(deleted(FIRST + 1), stored()) == "succeeded"


def test_order_of_truth_a_deleted_placeholder_stays_deleted_when_an_image_follows_at_its_name() -> None:
    assert status_of(deleted(), stored(placeholder=True), stored(round_=2)) == "deleted"


def test_order_of_truth_a_stored_image_is_above_a_higher_round() -> None:
    known = in_every_order(stored(round_=1), failed(round_=2), moved(new=40, round_=3))
    assert (known.status, known.round, known.error) == (Status.SUCCEEDED, 3, None)


def test_order_of_truth_a_stored_image_is_above_any_placeholder() -> None:
    known = in_every_order(stored(round_=1), stored(round_=2, placeholder=True, version=9))
    assert known.status is Status.SUCCEEDED
    assert known.asset == stored(round_=1)


@pytest.mark.parametrize("lower", [stored(placeholder=True), failed(), failed(code="cancelled")])
def test_order_of_truth_a_higher_round_is_above_every_end_without_image(lower: Event) -> None:
    assert in_every_order(lower, moved(round_=2)).status is Status.QUEUED
    assert in_every_order(lower, failed(round_=2, follows=True)).status is Status.RUNNING


@pytest.mark.parametrize("weaker", [failed(), failed(code="cancelled"), failed(follows=True)])
def test_order_of_truth_a_placeholder_is_above_a_failure_of_its_round(weaker: Event) -> None:
    known = in_every_order(weaker, stored(placeholder=True))
    assert known.status is Status.PLACEHOLDER
    assert known.error == weaker


@pytest.mark.parametrize(
    ("end", "status"),
    [(failed(stage="store"), Status.FAILED), (failed(code="cancelled"), Status.CANCELED)],
)
def test_order_of_truth_a_failure_is_above_one_that_a_placeholder_follows(end: Event, status: Status) -> None:
    known = in_every_order(failed(follows=True), end)
    assert (known.status, known.error) == (status, end)


def test_order_of_truth_a_failure_that_a_placeholder_follows_is_no_end() -> None:
    known = grown(failed(follows=True))
    assert (known.status, known.error) == (Status.RUNNING, None)
    assert known.status not in images.ENDED


def test_order_of_truth_the_highest_number_is_the_present_one() -> None:
    assert in_every_order(moved(new=40), moved(new=41), stored(index=FIRST)).index == 41


def test_the_reservation_says_nothing_about_what_already_ended() -> None:
    assert status_of(reserved(quantity=1), stored()) == "succeeded"


def test_a_placeholder_stays_in_storage_while_its_image_is_rendered_again() -> None:
    known = in_every_order(stored(placeholder=True), moved(round_=2))
    assert known.asset == stored(placeholder=True)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(history=histories())
def test_any_order_with_repetitions_is_read_the_same(history: tuple[list[Message], list[Message]]) -> None:
    once, shuffled = history
    assert imagined(shuffled) == imagined(once)
