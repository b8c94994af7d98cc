"""Bodies on the wire: what is read, what is ignored, what is refused and in which words."""

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts import topology
from contracts.commands import GenerateBatch
from contracts.events import BatchFinished, ImageFailed, ImageStored, IndicesReserved
from contracts.message import Message, Undecodable
from tests.contracts import golden

FULL = [f"{message.route()}.json" for message in topology.MESSAGES]
#: Objects whose keys the sender chooses: a key more is content there, not an unknown field.
OPEN = ("parameters", "dead_letters", "queues")
SECRET = "s3cr3t"

Path = tuple[str | int, ...]


def canonical(value: Any) -> str:
    """Text that tells 1 from 1.0 and from true, which Python's comparison does not."""
    return json.dumps(value, sort_keys=True)


def with_unknown_fields(value: Any, key: str = "") -> Any:
    if isinstance(value, list):
        return [with_unknown_fields(part) for part in value]
    if not isinstance(value, dict):
        return value
    more = {name: with_unknown_fields(part, name) for name, part in value.items()}
    return more if key in OPEN else more | {"added_later": {"by": ["somebody", 1]}}


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place inside a body, without the body itself."""
    parts: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value))
    for name, part in parts:
        yield (*path, name)
        yield from places(part, (*path, name))


def at(value: Any, path: Path) -> Any:
    for name in path:
        value = value[name]
    return value


def replaced(value: Any, path: Path, by: Any) -> bytes:
    changed = deepcopy(value)
    at(changed, path[:-1])[path[-1]] = by
    return json.dumps(changed).encode()


def refusal_of(message: type[Message], body: bytes) -> str:
    with pytest.raises(Undecodable) as refused:
        message.decode(body)
    return str(refused.value)


def test_every_message_has_a_golden_body() -> None:
    assert set(FULL) <= set(golden.NAMES)
    assert {golden.message_of(name) for name in golden.NAMES} == set(topology.MESSAGES)


@pytest.mark.parametrize("name", FULL)
def test_a_full_body_decodes_and_encodes_to_itself(name: str) -> None:
    again = json.loads(golden.message_of(name).decode(golden.body(name)).encode())
    assert canonical(again) == canonical(golden.value(name))


def test_a_minimal_batch_is_one_image_with_the_defaults() -> None:
    request = json.loads(GenerateBatch.decode(golden.body("GenerateBatch.v1.minimal.json")).encode())
    given_fields = golden.value("GenerateBatch.v1.minimal.json")
    defaults = {
        "negative_prompt": "",
        "quantity": 1,
        "width": 1024,
        "height": 1536,
        "seed": None,
        "style": None,
        "workflow": "portrait",
        "parameters": {},
        "on_failure": "placeholder",
        "character": given_fields["character"] | {"embedding": None, "private": False},
    }
    assert canonical(request) == canonical(given_fields | defaults)


@pytest.mark.parametrize("name", golden.NAMES)
def test_a_reader_ignores_fields_that_it_does_not_know(name: str) -> None:
    message = golden.message_of(name)
    later = json.dumps(with_unknown_fields(golden.value(name))).encode()
    assert b"added_later" in later
    assert message.decode(later) == message.decode(golden.body(name))


@pytest.mark.parametrize("name", golden.NAMES)
def test_the_id_of_a_message_stays_what_it_was(name: str) -> None:
    assert str(golden.message_of(name).decode(golden.body(name)).id()) == golden.ids()[name]


def test_different_causes_have_different_ids() -> None:
    assert sorted(golden.ids()) == sorted(golden.NAMES)
    assert len(set(golden.ids().values())) == len(golden.NAMES)


def test_a_placeholder_and_the_image_that_replaces_it_have_different_ids() -> None:
    image = ImageStored.decode(golden.body("ImageStored.v1.json"))
    placeholder = image.model_copy(update={"placeholder": True})
    assert image.id() != placeholder.id()


def test_failing_to_render_and_failing_to_store_are_different_events() -> None:
    render = ImageFailed.decode(golden.body("ImageFailed.v1.json"))
    assert render.id() != render.model_copy(update={"stage": "store"}).id()


def test_a_failure_with_a_placeholder_to_follow_is_not_the_one_that_says_there_is_none() -> None:
    """Both may come from the uploader, about the same image and round."""
    store = ImageFailed.decode(golden.body("ImageFailed.v1.json")).model_copy(update={"stage": "store"})
    assert store.id() != store.model_copy(update={"placeholder_follows": False}).id()


def test_a_batch_that_finishes_again_after_a_retry_says_something_new() -> None:
    first = BatchFinished.decode(golden.body("BatchFinished.v1.json"))
    assert first.id() != first.model_copy(update={"round": 2}).id()


@pytest.mark.parametrize("name", golden.NAMES)
def test_a_wrong_type_is_refused_by_the_field_s_name_and_without_the_value(name: str) -> None:
    value, message = golden.value(name), golden.message_of(name)
    for path in places(value):
        wrong = SECRET if isinstance(at(value, path), list | dict) else [SECRET]
        said = refusal_of(message, replaced(value, path, wrong))
        assert ".".join(map(str, path)) in said
        assert SECRET not in said


@pytest.mark.parametrize("name", golden.NAMES)
def test_no_number_or_flag_is_guessed_from_a_text(name: str) -> None:
    value, message = golden.value(name), golden.message_of(name)
    for path in places(value):
        # A parameter may be a text.
        if isinstance(at(value, path), int | float) and "parameters" not in path:
            assert ".".join(map(str, path)) in refusal_of(
                message, replaced(value, path, str(at(value, path)))
            )


@pytest.mark.parametrize("wrong", ["4", True, 4.5, None, [4]])
def test_a_quantity_is_a_whole_number_and_nothing_else(wrong: object) -> None:
    body = replaced(golden.value("GenerateBatch.v1.json"), ("quantity",), wrong)
    assert "quantity" in refusal_of(GenerateBatch, body)


@pytest.mark.parametrize("wrong", ["", "a b", "a/b", "a\n", "x" * 65, "\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_a_batch_id_outside_its_alphabet_is_refused(wrong: str) -> None:
    body = replaced(golden.value("GenerateBatch.v1.json"), ("batch_id",), wrong)
    assert "batch_id" in refusal_of(GenerateBatch, body)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_parameter_that_is_no_finite_number_is_refused(number: str) -> None:
    body = golden.body("GenerateBatch.v1.json").replace(b"6.5", number.encode())
    assert number.encode() in body
    refusal_of(GenerateBatch, body)


def test_a_missing_field_is_named() -> None:
    value = golden.value("IndicesReserved.v1.json")
    del value["request"]["character"]["name"]
    said = refusal_of(IndicesReserved, json.dumps(value).encode())
    assert said == "not a IndicesReserved.v1: request.character.name: Field required"


def test_a_forged_block_is_refused_before_anybody_makes_rows_of_it() -> None:
    value = golden.value("IndicesReserved.v1.json") | {"quantity": 10**9}
    said = refusal_of(IndicesReserved, json.dumps(value).encode())
    assert said == "not a IndicesReserved.v1: quantity: Input should be less than or equal to 1000"


def test_many_problems_are_counted_instead_of_listed() -> None:
    body = json.dumps({"parameters": {f"p{number}": [] for number in range(100)}}).encode()
    assert " more)" in refusal_of(GenerateBatch, body)
    assert len(refusal_of(GenerateBatch, body)) < 1000


def test_a_refusal_stays_short_whatever_the_sender_calls_his_parameters() -> None:
    body = json.dumps({"parameters": {"p" * 500_000: []}}).encode()
    assert len(refusal_of(GenerateBatch, body)) < 1000


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b'{"batch_id": "\\ud800"}', b"[" * 9999]
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    for message in topology.MESSAGES:
        assert refusal_of(message, body).startswith(f"not a {message.route()}: ")


@given(st.binary())
def test_any_bytes_decode_or_are_refused_and_nothing_else_happens(body: bytes) -> None:
    for message in topology.MESSAGES:
        with suppress(Undecodable):
            message.decode(body)


def test_a_message_cannot_be_changed() -> None:
    request = GenerateBatch.decode(golden.body("GenerateBatch.v1.json"))
    with pytest.raises(ValidationError):
        request.quantity = 5  # type: ignore[misc]


def test_a_log_line_says_which_image_it_is_about() -> None:
    stored = ImageStored.decode(golden.body("ImageStored.v1.json"))
    assert stored.about() == {
        "batch_id": "7b0c2f6a-batch_1",
        "ordinal": 2,
        "index": 7,
        "round": 1,
        "public_id": "Areg/premade_characters/opal-fever/images/Areg_opal-fever_image_7",
        "folder": "Areg/premade_characters/opal-fever/images",
    }
