"""The decisions, one by one."""

import pytest

from contracts.acceptance import Refusal
from contracts.commands import GenerateBatch
from contracts.events import BatchRejected, IndexTaken, IndicesReserved
from contracts.limits import MAX_INDEX
from messaging.errors import PermanentError
from services.indexer import domain
from services.indexer.domain import Contents, Reassignment, Reservation
from tests.services.indexer.ledgers import OPAL, wish
from tests.services.indexer.requests import batch, taken


def block(request: GenerateBatch, first: int = 5, padding: int = 0) -> Reservation:
    end = first + request.quantity
    digest = domain.digest_of(request)
    return Reservation(request.batch_id, digest, OPAL, first, request.quantity, end, padding, 0.0)


def test_a_default_said_or_left_out_is_the_same_content() -> None:
    said = batch(width=1024, negative_prompt="", seed=None, workflow="portrait", parameters={})
    assert domain.digest_of(said) == domain.digest_of(batch())


def test_neither_order_nor_unknown_fields_change_the_content() -> None:
    one = batch(parameters={"steps": 28, "cfg": 6.5})
    other = GenerateBatch.decode(
        b'{"prompt": "on a rooftop", "parameters": {"cfg": 6.5, "steps": 28}, "quantity": 4, "later": true,'
        b'"username": "Areg", "batch_id": "b1", "character": {"collection": "premade_characters",'
        b'"name": "Opal Fever", "id": "chr_1"}}'
    )
    assert domain.digest_of(one) == domain.digest_of(other)


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "on a roof"},
        {"quantity": 5},
        {"seed": 0},
        {"name": "Opal  Fever"},
        {"parameters": {"steps": 28}},
        {"on_failure": "omit"},
    ],
)
def test_any_other_wish_is_other_content(changes: dict[str, object]) -> None:
    assert domain.digest_of(batch(**changes)) != domain.digest_of(batch())  # type: ignore[arg-type]


def test_the_answer_carries_the_stored_block_and_padding() -> None:
    request = batch()
    said = domain.reserved(request, block(request, padding=4), domain.digest_of(request))
    assert (said.folder, said.first, said.quantity, said.next_index, said.padding) == (OPAL, 5, 4, 9, 4)
    assert said.request == request


def test_other_content_under_a_known_batch_id_is_hopeless() -> None:
    other = batch(prompt="something else")
    with pytest.raises(PermanentError, match="batch b1 was reserved with other content"):
        domain.reserved(other, block(batch()), domain.digest_of(other))


def test_a_refused_batch_that_nobody_knows_is_rejected() -> None:
    said = domain.refused(batch(), Refusal("invalid_size", "width", "too wide"), None)
    assert said == BatchRejected(batch_id="b1", code="invalid_size", reason="too wide")


def test_a_batch_accepted_once_keeps_its_block_when_the_rules_change() -> None:
    said = domain.refused(batch(), Refusal("unknown_workflow", "workflow", "gone"), block(batch()))
    assert isinstance(said, IndicesReserved)


def test_a_refused_batch_under_anothers_id_leaves_that_one_alone() -> None:
    with pytest.raises(PermanentError, match="other content"):
        domain.refused(batch(quantity=0), Refusal("invalid_quantity", "quantity", "none"), block(batch()))


def test_a_dead_letter_of_a_new_batch_says_that_it_was_rejected_and_of_a_known_one_nothing() -> None:
    (said,) = domain.buried_batch(batch(), "ten attempts failed", None)
    assert (said.code, said.reason) == ("dead_letter", "ten attempts failed")
    assert domain.buried_batch(batch(), "other content", block(batch())) == ()


def test_blocks_are_allotted_in_order_each_folder_by_itself() -> None:
    wishes = [wish("a", 3), wish("b", 2, "other"), wish("c", 1), wish("d", 8, "other")]
    blocks = domain.allot(wishes, {OPAL: 7, "other": 1, "unasked": 3}, now=9.5)
    assert [(b.first, b.next_index) for b in blocks] == [(7, 10), (1, 3), (10, 11), (3, 11)]
    assert {b.created_at for b in blocks} == {9.5}


@pytest.mark.parametrize(
    ("contents", "first"),
    [
        (Contents(), 1),
        (Contents(highest=7), 8),
        (Contents(highest=7, mirror=12), 12),
        (Contents(highest=7, mirror=3), 8),
        (Contents(mirror=1), 1),
        (Contents(mirror=5), 5),
    ],
)
def test_numbering_goes_on_behind_both_the_images_and_index_txt(contents: Contents, first: int) -> None:
    assert domain.first_free(contents) == first


@pytest.mark.parametrize("contents", [Contents(highest=MAX_INDEX), Contents(mirror=MAX_INDEX)])
def test_numbers_that_no_counting_reaches_are_not_adopted(contents: Contents) -> None:
    with pytest.raises(PermanentError, match="no counting reaches"):
        domain.first_free(contents)


@pytest.mark.parametrize("folder", ["", "Areg", "Areg/x/opal/images", "w_1/characters/a/images", f"{OPAL}/"])
def test_a_folder_that_no_image_could_lie_in_is_hopeless(folder: str) -> None:
    with pytest.raises(PermanentError, match="not a folder of ours"):
        domain.checked_folder(folder)


def test_a_move_goes_behind_everything_found_and_behind_the_taken_number() -> None:
    reserved = block(batch(), first=5)
    assert domain.move_of(taken(2, 7), reserved, (), Contents(highest=30)).floor == 31
    assert domain.move_of(taken(2, 7), reserved, (), Contents()).floor == 8


def test_an_image_that_moved_before_can_move_from_there() -> None:
    moved = Reassignment("b1", 2, 7, OPAL, 40, 41)
    assert domain.move_of(taken(2, 40), block(batch()), [moved], Contents()).old_index == 40


@pytest.mark.parametrize(
    ("message", "known"),
    [
        (taken(2, 7), False),
        (taken(4, 9), True),
        (taken(2, 8), True),
        (taken(2, 7, folder="Areg/characters/opal-fever/images"), True),
    ],
)
def test_what_never_had_a_number_gets_no_other(message: IndexTaken, known: bool) -> None:
    with pytest.raises(PermanentError, match=r"no batch|never had"):
        domain.move_of(message, block(batch()) if known else None, (), Contents())


def test_a_dead_index_taken_ends_the_image_in_its_round_and_a_retry_can_help() -> None:
    said = domain.buried_index_taken(taken(2, 7, round_=3), "no numbers left")
    assert (said.ordinal, said.round, said.index, said.stage) == (2, 3, 7, "store")
    assert (said.code, said.detail) == ("index_taken", "no numbers left")
    assert said.retryable
    assert not said.placeholder_follows
