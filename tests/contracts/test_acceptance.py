"""Which batches are refused, with which code: every message that decodes gets an answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import acceptance, names
from contracts.commands import GenerateBatch
from contracts.events import IndicesReserved
from contracts.forms import Allowed, Form
from contracts.limits import MAX_BODY, MAX_ID, MAX_REQUEST, MAX_SEED, MAX_TEXT
from tests.contracts import golden
from tests.contracts.invented_names import character_names, usernames

TEXTS = {f"p{number}": Allowed(str) for number in range(20)}
PORTRAIT = Form(
    "",
    {
        "checkpoint": Allowed(str),
        "steps": Allowed(int, 1),
        "cfg": Allowed(float),
        "hires": Allowed(bool),
        **TEXTS,
    },
    frozenset({"cinematic"}),
)
WORKFLOWS = {"portrait": PORTRAIT, "scene": Form()}


def request(**changes: Any) -> GenerateBatch:
    """The full golden request with some fields changed; `character__name` reaches inside."""
    value = golden.value("GenerateBatch.v1.json")
    for field, wanted in changes.items():
        inside, _, name = field.rpartition("__")
        (value[inside] if inside else value)[name] = wanted
    return GenerateBatch.decode(json.dumps(value).encode())


def code_and_field(asked: GenerateBatch) -> tuple[str, str]:
    refused = acceptance.refusal(asked, WORKFLOWS)
    assert refused is not None
    assert refused.reason
    return refused.code, refused.field


numbers = st.one_of(st.integers(-1, 4200), st.integers())
texts = st.one_of(st.text(), st.just("x" * (MAX_TEXT + 1)), st.just("a\0b"))
parameters = st.one_of(texts, st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
bodies = st.fixed_dictionaries(
    {
        "batch_id": st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
        "username": usernames,
        "character": st.fixed_dictionaries(
            {
                "id": texts,
                "name": character_names,
                "collection": st.sampled_from([*names.COLLECTIONS, "other"]),
            },
            optional={"embedding": st.none() | texts},
        ),
        "prompt": texts,
    },
    optional={
        "negative_prompt": texts,
        "quantity": numbers,
        "width": numbers,
        "height": numbers,
        "seed": st.none() | numbers,
        "style": st.none() | texts,
        "workflow": st.sampled_from(["portrait", "other", ""]),
        "parameters": st.dictionaries(texts, parameters, max_size=3),
        "on_failure": st.sampled_from(["placeholder", "omit"]),
    },
)
acceptable = st.builds(
    request,
    username=st.from_regex(r"[A-Za-z]{4,20}", fullmatch=True),
    character__name=st.from_regex(r"[A-Za-z]{2}[A-Za-z ]{0,20}", fullmatch=True),
    quantity=st.integers(1, 1000),
    width=st.integers(8, 512).map(lambda eighth: eighth * 8),
    height=st.integers(8, 512).map(lambda eighth: eighth * 8),
    seed=st.none() | st.integers(0, MAX_SEED),
    prompt=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).map("A {}".format),
)


@given(bodies)
def test_every_batch_that_decodes_is_accepted_or_refused_with_a_known_code(body: dict[str, Any]) -> None:
    asked = GenerateBatch.decode(json.dumps(body).encode())
    refused = acceptance.refusal(asked, WORKFLOWS)
    if refused is None:
        assert names.parse_folder(acceptance.folder_of(asked))
        return
    assert refused.code in acceptance.CODES
    # What goes into the event's text must be storable and short, whatever the sender wrote.
    assert 0 < len(refused.reason) < 300
    assert "\0" not in refused.reason + refused.field


@given(acceptable)
def test_a_reasonable_batch_is_accepted(asked: GenerateBatch) -> None:
    assert acceptance.refusal(asked, WORKFLOWS) is None


REFUSED = [
    ({"character__collection": "mine"}, "invalid_collection", "character.collection"),
    ({"username": "w_100"}, "invalid_username", "username"),
    ({"username": "x" * 5000}, "invalid_character", "character.name"),
    ({"character__name": "👩‍🚀"}, "invalid_character", "character.name"),
    ({"character__name": "y" * 98}, "invalid_character", "character.name"),
    ({"quantity": 0}, "invalid_quantity", "quantity"),
    ({"quantity": 1001}, "invalid_quantity", "quantity"),
    ({"width": 56}, "invalid_size", "width"),
    ({"width": 1023}, "invalid_size", "width"),
    ({"height": 4104}, "invalid_size", "height"),
    ({"seed": -1}, "invalid_seed", "seed"),
    ({"seed": MAX_SEED + 1}, "invalid_seed", "seed"),
    ({"prompt": " \n\t"}, "invalid_prompt", "prompt"),
    ({"prompt": "x" * (MAX_TEXT + 1)}, "text_too_long", "prompt"),
    ({"negative_prompt": "x" * (MAX_TEXT + 1)}, "text_too_long", "negative_prompt"),
    ({"character__name": "Opal" + "🔥" * MAX_TEXT}, "text_too_long", "character.name"),
    ({"character__id": "x" * (MAX_ID + 1)}, "text_too_long", "character.id"),
    ({"style": "a\0b"}, "invalid_text", "style"),
    ({"character__id": "\0"}, "invalid_text", "character.id"),
    ({"character__name": "Opal\0Fever"}, "invalid_text", "character.name"),
    ({"character__embedding": "\0"}, "invalid_text", "character.embedding"),
    ({"parameters": {"a\0b": 1}}, "invalid_text", "parameters"),
    ({"parameters": {"a": "\0"}}, "invalid_text", "parameters"),
    ({"parameters": {f"p{number}": 1 for number in range(65)}}, "invalid_parameters", "parameters"),
    ({"parameters": {f"p{number}": "🔥" * 9000 for number in range(20)}}, "request_too_long", "parameters"),
    ({"workflow": "landscape"}, "unknown_workflow", "workflow"),
    ({"style": "cubist"}, "unknown_style", "style"),
    ({"workflow": "scene", "style": None, "parameters": {"steps": 3}}, "invalid_parameters", "parameters"),
    ({"parameters": {"steps": 0}}, "invalid_parameters", "parameters"),
    ({"parameters": {"steps": True}}, "invalid_parameters", "parameters"),
]


@pytest.mark.parametrize(("changes", "code", "field"), REFUSED, ids=lambda part: str(part)[:40])
def test_what_cannot_be_made_is_refused_by_its_field(changes: dict[str, Any], code: str, field: str) -> None:
    assert code_and_field(request(**changes)) == (code, field)


def test_every_code_is_one_that_somebody_can_meet() -> None:
    assert {code for _, code, _ in REFUSED} == acceptance.CODES


def test_the_limits_themselves_are_acceptable() -> None:
    at_limit = request(
        quantity=1000,
        width=64,
        height=4096,
        seed=MAX_SEED,
        prompt="x" * MAX_TEXT,
        character__name="y" * 97,
        character__id="x" * MAX_ID,
    )
    assert acceptance.refusal(at_limit, WORKFLOWS) is None


def test_a_refusal_names_the_workflows_there_are() -> None:
    refused = acceptance.refusal(request(workflow="landscape"), WORKFLOWS)
    assert refused is not None
    assert refused.reason.endswith("known: portrait, scene")


def test_the_longest_acceptable_request_still_fits_into_its_own_event() -> None:
    fitting = {f"p{number}": "🔥" * 9000 for number in range(14)}
    asked = request(parameters=fitting)
    assert acceptance.refusal(asked, WORKFLOWS) is None
    assert 0.9 * MAX_REQUEST < len(asked.encode()) <= MAX_REQUEST
    reserved = IndicesReserved(
        request=asked, folder=acceptance.folder_of(asked), first=1, quantity=4, next_index=5
    )
    assert len(reserved.encode()) < MAX_BODY


@pytest.mark.parametrize(
    "length", [8, MAX_REQUEST // 24, MAX_REQUEST // 24 + 1, MAX_REQUEST // 12, MAX_REQUEST]
)
def test_a_request_is_too_long_exactly_where_its_bytes_are_too_many(length: int) -> None:
    """Though they are not counted where they need not be: no character takes more bytes than an escape."""
    text = "\x01" * MAX_TEXT
    asked = request(
        batch_id="b" * 64,
        prompt=f"{text[1:]}a",
        negative_prompt=text,
        style=text,
        character__id="\x01" * MAX_ID,
        character__name=f"{text[1:]}a",
        character__embedding=text,
        seed=MAX_SEED,
        parameters={},
        workflow="\x01" * length,
    )
    too_long = len(asked.encode()) > MAX_REQUEST
    assert (code_and_field(asked)[0] == "request_too_long") is too_long
    assert too_long is (length >= MAX_REQUEST // 12)
