"""What disagrees, what it means, and what is no disagreement."""

import pytest

from cli.counters.standing import Standing, disagreements, in_words
from contracts.limits import MAX_INDEX
from services.indexer.domain import Contents

FOLDER = "Areg/characters/opal-fever/images"


def standing(
    counter: int | None, highest: int = 0, mirror: int | None = None, due: int | None = None
) -> Standing:
    return Standing(FOLDER, counter, Contents(highest, mirror), due or counter or 1)


@pytest.mark.parametrize(
    "well",
    [
        standing(1, 0, 1),
        standing(8, 7, 8),
        # Numbers that failed, were cancelled or deleted leave gaps.
        standing(20, 3, 20),
        # A batch was reserved between the two looks; the file has reached what it was due to say.
        standing(20, 3, 12, due=12),
        # Nobody has counted here yet.
        standing(None, 7, 3),
        standing(None),
    ],
)
def test_what_differs_for_a_good_reason_is_no_disagreement(well: Standing) -> None:
    assert disagreements(well) == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (standing(7, 7, 7), "image 7 lies in storage"),
        (standing(8, 7, 12), "index.txt says 12"),
        (standing(8, 7, None), "missing"),
        (standing(8, 7, 5), "already at 8"),
        (standing(8, MAX_INDEX, 5), "no counting reaches"),
        (standing(None, MAX_INDEX), "no counting reaches"),
    ],
)
def test_each_disagreement_says_what_it_means_and_what_to_do(wrong: Standing, says: str) -> None:
    (found,) = disagreements(wrong)
    assert says in found.says
    text = in_words(wrong, [found])
    assert all(part in text for part in (FOLDER, found.means, found.advice))


def test_several_things_may_be_wrong_at_once() -> None:
    assert len(disagreements(standing(3, 7, 5))) == 2


@pytest.mark.parametrize(
    ("one", "counter"), [(standing(3, 7, 5), 8), (standing(3, 7, 30), 30), (standing(90, 7, 5), 90)]
)
def test_a_counter_is_raised_to_what_storage_holds_and_never_lowered(one: Standing, counter: int) -> None:
    assert one.raised == counter


def test_numbers_that_cannot_be_right_are_left_to_a_person() -> None:
    assert standing(3, MAX_INDEX).damage
    assert standing(3, 7, 8).damage is None
