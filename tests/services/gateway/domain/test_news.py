"""What an owner may want to be told, each thing once."""

from itertools import pairwise

import pytest
from hypothesis import given

from contracts.events import ImageFailed, ImageStored
from contracts.message import Message
from services.gateway.domain import images, news
from services.gateway.domain.batches import refused
from services.gateway.domain.images import ImageState
from services.gateway.domain.news import News, Word
from tests.services.gateway.events import FIRST, failed, stored
from tests.services.gateway.histories import histories

NEW = ImageState("b1", 0, FIRST)


def grown(known: ImageState, event: Message) -> ImageState:
    match event:
        case ImageStored():
            return images.stored(known, event)
        case ImageFailed():
            return images.failed(known, event)
    return known


def told(*events: Message) -> list[tuple[str, int]]:
    """Type and round of what a history of image 0 tells."""
    states = [NEW]
    for event in events:
        states.append(grown(states[-1], event))
    return [(each.word.value, each.round) for pair in pairwise(states) for each in news.of_image(*pair)]


def test_an_image_that_comes_to_be_is_told() -> None:
    assert told(stored()) == [("image.completed", 1)]


def test_a_failure_is_told_once_its_placeholder_lies_there() -> None:
    assert told(failed(follows=True), stored(placeholder=True)) == [("image.failed", 1)]


def test_each_round_of_a_failure_is_told() -> None:
    assert told(failed(), failed(round_=2), stored(round_=3)) == [
        ("image.failed", 1),
        ("image.failed", 2),
        ("image.completed", 3),
    ]


def test_a_cancelled_image_is_told_with_its_batch_alone() -> None:
    assert told(failed(code="cancelled")) == []


def test_what_was_overtaken_is_not_told() -> None:
    assert told(stored(round_=2), failed()) == [("image.completed", 2)]


def test_a_repeated_event_tells_nothing_new() -> None:
    assert told(stored(), stored(), failed(), stored()) == [("image.completed", 1)]


def test_a_round_that_was_only_asked_for_does_not_tell_of_the_picture_again() -> None:
    done = images.stored(NEW, stored())
    assert news.of_image(done, images.asked(done, FIRST, 2)) == ()


@given(history=histories())
def test_any_history_tells_each_thing_under_one_id(
    history: tuple[list[Message], list[Message]],
) -> None:
    """Ids are those of what is told: as many as there are different things."""
    state, keys, things = NEW, set(), set()
    for event in history[1]:
        if getattr(event, "ordinal", None) != 0:
            continue
        after = grown(state, event)
        for each in news.of_image(state, after):
            keys.add(each.key("wh_1"))
            things.add((each.word, each.round))
        state = after
    assert len(keys) == len(things)


def test_an_id_depends_on_webhook_event_image_and_round() -> None:
    other = ImageState("b1", 1, FIRST)
    different = [
        News(Word.IMAGE_COMPLETED, "b1", 1, NEW).key("wh_1"),
        News(Word.IMAGE_COMPLETED, "b1", 1, NEW).key("wh_2"),
        News(Word.IMAGE_COMPLETED, "b1", 2, NEW).key("wh_1"),
        News(Word.IMAGE_COMPLETED, "b1", 1, other).key("wh_1"),
        News(Word.IMAGE_FAILED, "b1", 1, NEW).key("wh_1"),
        News(Word.BATCH_COMPLETED, "b1", 1).key("wh_1"),
        News(Word.BATCH_COMPLETED, "b2", 1).key("wh_1"),
    ]
    assert len(set(different)) == len(different)
    assert all(len(key) == 36 for key in different)


def test_a_refusal_leaves_room_for_the_end_of_a_batch_that_comes_to_be_after_all() -> None:
    assert news.of_end(refused("b1", "Areg")).key("wh_1") != News(Word.BATCH_COMPLETED, "b1", 1).key("wh_1")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ([], ("batch.completed",)),
        (["completed"], ("batch.completed",)),
        (["start", "completed"], ("batch.started", "batch.completed")),
        (["output"], ("image.completed", "image.failed")),
        (["image.failed", "batch.started", "image.failed"], ("batch.started", "image.failed")),
    ],
)
def test_words_of_a_filter_mean_events(words: list[str], meant: tuple[str, ...]) -> None:
    assert news.meant(words) == meant
