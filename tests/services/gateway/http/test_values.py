"""Every wrong value is pointed at, and what is let in can be kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.commands import GenerateBatch
from tests.services.gateway.http.door import JSON, Door, opened
from tests.services.gateway.http.wishes import CHARACTERS, GENERATE, ask, pointers

#: What is wrong in a wish for a batch, and where; None where the place itself can't be written.
WRONG: list[tuple[dict[str, Any], str | None]] = [
    ({"quantity": 0}, "/quantity"),
    ({"quantity": 1001}, "/quantity"),
    ({"quantity": "2"}, "/quantity"),
    ({"quantity": True}, "/quantity"),
    ({"quantity": 2.5}, "/quantity"),
    ({"quantity": 10**400}, "/quantity"),
    ({"quantity": None}, "/quantity"),
    ({"width": 65}, "/width"),
    ({"height": 8192}, "/height"),
    ({"width": float("nan")}, "/width"),
    ({"seed": -1}, "/seed"),
    ({"seed": 2**64}, "/seed"),
    ({"prompt": ""}, "/prompt"),
    ({"prompt": " \n"}, "/prompt"),
    ({"prompt": "x" * 10_001}, "/prompt"),
    ({"prompt": "a\0b"}, "/prompt"),
    ({"prompt": "\ud800"}, "/prompt"),
    ({"prompt": ["x"]}, "/prompt"),
    ({"negative_prompt": "\0"}, "/negative_prompt"),
    ({"style": "\0"}, "/style"),
    ({"style": "x" * 101}, "/style"),
    ({"workflow": "\0"}, "/workflow"),
    ({"workflow": "../../etc"}, "/workflow"),
    ({"on_failure": "explode"}, "/on_failure"),
    ({"parameters": []}, "/parameters"),
    ({"parameters": {str(number): 1 for number in range(65)}}, "/parameters"),
    ({"quanttity": 2}, "/quanttity"),
    ({"a/b~c": 2}, "/a~1b~0c"),
    ({"\udfff": 2}, None),
]


async def test_each_wrong_value_is_pointed_at(door: Door) -> None:
    await door.character()
    for wish, pointer in WRONG:
        answer = await ask(door, **wish)
        assert answer.status_code == 422, ascii(wish)
        if pointer:
            assert pointers(answer) == [pointer]
    assert (await door.areg.get("/v1/batches")).json()["items"] == []


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**64, -(2**63) - 1, "a\0", "\ud800", None, [], {}, "x" * 10_001]
)
async def test_a_parameter_that_no_workflow_can_take_is_refused(door: Door, value: Any) -> None:
    answer = await ask(door, parameters={"steps": value})
    assert answer.status_code == 422
    assert all(pointer.startswith("/parameters/steps") for pointer in pointers(answer))


@pytest.mark.parametrize(
    ("wish", "code", "pointer", "said"),
    [
        ({"style": "baroque"}, "unknown_style", "/style", "known: noir, pastel"),
        ({"parameters": {"stepz": 4}}, "invalid_parameters", "/parameters", "no parameter 'stepz'; known: "),
        ({"parameters": {"steps": 4.5}}, "invalid_parameters", "/parameters", "steps must be of type int"),
        ({"workflow": "none"}, "unknown_workflow", "/workflow", "known: colour-card, portrait"),
    ],
)
async def test_what_the_workflow_does_not_know_is_named_with_what_it_knows(
    door: Door, wish: dict[str, Any], code: str, pointer: str, said: str
) -> None:
    answer = await ask(door, **wish)
    assert (answer.status_code, answer.json()["code"], pointers(answer)) == (422, code, [pointer])
    assert said in answer.json()["detail"]
    assert (await door.areg.get("/v1/batches")).json()["items"] == []


@pytest.mark.parametrize("name", ["a\0", "\ud800", "x" * 10_001])
async def test_a_parameter_has_a_name_that_can_be_kept(door: Door, name: str) -> None:
    assert (await ask(door, parameters={name: 1})).status_code == 422


async def test_a_long_name_is_not_sent_back_whole_nor_are_a_thousand_errors(door: Door) -> None:
    answer = await ask(door, **{"x" * 100_000: 1})
    assert answer.status_code == 422
    assert len(answer.content) < 2000
    answer = await ask(door, **{f"x{number}": 1 for number in range(10_000)})
    assert len(answer.json()["errors"]) == 50


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Opal\0"},
        {"name": "\ud800"},
        {"name": ""},
        {"name": None},
        {},
        {"name": "Opal", "premade": "yes"},
        {"name": "Opal", "embedding": "\0"},
        {"name": "Opal", "style": "\0"},
        {"name": "Opal", "owner": "Nare"},
        [],
        "Opal",
        None,
    ],
    ids=ascii,
)
async def test_a_character_that_can_not_be_kept_is_refused(door: Door, body: Any) -> None:
    answer = await door.areg.post(CHARACTERS, content=json.dumps(body), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_the_old_call_points_at_the_names_it_knows(door: Door) -> None:
    character_id = await door.character()
    for wish, pointer in (
        ({"numImages": 0}, "/numImages"),
        ({"negativePrompt": "\0"}, "/negativePrompt"),
        ({"prompt": "  "}, "/prompt"),
    ):
        body = {"characterId": character_id, "prompt": "x", **wish}
        answer = await door.areg.post(GENERATE, json=body)
        assert answer.status_code == 422
        assert pointers(answer) == [pointer]
    answer = await door.areg.post(GENERATE, json={"characterId": "\0", "prompt": "x"})
    assert pointers(answer) == ["/characterId"]


async def test_characters_of_every_kind_arrive_as_they_were_sent(door: Door) -> None:
    prompt = "опал 🜚 \u202e \ufeff \U0010ffff \x01 \r\n 'quoted' \"twice\" \\ {{}} %s"
    assert (await ask(door, prompt=prompt)).status_code == 202
    assert (await door.peer.hears(GenerateBatch)).prompt == prompt


async def test_postgresql_refuses_nothing_that_was_let_in(tmp_path: Path, postgres_url: str) -> None:
    async with opened(tmp_path, DATABASE_URL=postgres_url) as door:
        for wish in ({"prompt": "a\0b"}, {"style": "\0"}, {"parameters": {"\0": 1}}, {"seed": 2**64}):
            assert (await ask(door, **wish)).status_code == 422
        for path in ("/v1/batches/%00", "/v1/characters/%00", "/v1/batches/%ff"):
            assert (await door.areg.get(path)).status_code == 404
        kept = {"prompt": "опал \U0010ffff \x01", "seed": 2**64 - 1, "parameters": {"x": -(2**63)}}
        answer = await ask(door, **kept)
        assert answer.status_code == 202
        await door.peer.reserved()
        assert (await door.seen(answer.json()["id"]))["seed"] == 2**64 - 1
        one = (await door.areg.get("/v1/batches", params={"limit": 1})).json()["items"]
        assert [item["id"] for item in one] == [answer.json()["id"]]
