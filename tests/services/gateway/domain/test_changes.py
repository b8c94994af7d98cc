"""Positions are written so that only ours can be read, and changes mean what is true after the last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.changes import Change, Position, images_told


@given(st.integers(0, 10**18 - 1), st.booleans())
def test_a_position_is_read_as_it_was_written(change: int, ended: bool) -> None:
    position = Position(change, ended)
    assert Position.read(str(position)) == position


@pytest.mark.parametrize(
    "word", [None, "", " 1", "1 ", "-1", "+1", "1.0", "1.end ", ".end", "1.END", "٣", "9" * 19]
)
def test_anything_else_is_no_position(word: str | None) -> None:
    assert Position.read(word) is None


@given(st.text())
def test_no_word_is_too_strange_to_be_looked_at(word: str) -> None:
    position = Position.read(word)
    assert position is None or position.id >= 0


def test_each_image_is_told_once_at_its_last_change_in_the_order_of_those() -> None:
    changes = [Change(4, 2), Change(5, 0), Change(6, 2), Change(9, 1), Change(10, 0)]
    assert list((images_told(changes) or {}).items()) == [(2, 6), (1, 9), (0, 10)]


def test_a_change_of_the_batch_itself_is_a_matter_of_the_whole() -> None:
    assert images_told([Change(4, 2), Change(5, None), Change(6, 1)]) is None
    assert images_told([]) == {}


@given(st.lists(st.integers(0, 5), min_size=1))
def test_whoever_has_an_id_lacks_nothing_that_was_logged_before_it(ordinals: list[int]) -> None:
    changes = [Change(number, ordinal) for number, ordinal in enumerate(ordinals, 1)]
    told = list((images_told(changes) or {}).items())
    for heard in range(1, len(told) + 1):
        last = told[heard - 1][1]
        later = {change.ordinal for change in changes if change.id > last}
        assert {ordinal for ordinal, _ in told[:heard]} | later >= set(ordinals)
    assert told[-1][1] == len(changes)
