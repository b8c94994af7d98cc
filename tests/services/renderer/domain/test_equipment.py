"""What an image needs of a backend, and who may get it."""

from typing import Any

import pytest

from contracts.commands import Character
from services.renderer.domain.equipment import NodeClass, Standing, Wish, is_model, lack, takers, wish_of
from tests.services.renderer.requests import reserved

LOADER = NodeClass({"ckpt_name": ["a.safetensors", "b.safetensors"]})
SAMPLER = NodeClass({"sampler_name": ["euler", "heun"]})
SAVER = NodeClass(output=True)
ALL = {"Loader": LOADER, "Sampler": SAMPLER, "Save": SAVER}


def graph(**values: Any) -> dict[str, Any]:
    chosen = {"ckpt_name": "a.safetensors", "sampler_name": "euler"} | values
    return {
        "1": {"class_type": "Loader", "inputs": {"ckpt_name": chosen["ckpt_name"]}},
        "2": {"class_type": "Sampler", "inputs": {"model": ["1", 0], "sampler_name": chosen["sampler_name"]}},
        "9": {"class_type": "Save", "inputs": {"images": ["2", 0]}},
    }


def test_a_backend_that_has_everything_lacks_nothing() -> None:
    assert lack(graph(), ALL) is None


@pytest.mark.parametrize(
    ("values", "inventory", "code", "said"),
    [
        (
            {"ckpt_name": "c.safetensors"},
            ALL,
            "missing_model",
            "node 1 (Loader): the backend does not have 'c.safetensors' for ckpt_name; install it there, or "
            "ask for one that it has: a.safetensors, b.safetensors",
        ),
        (
            {"sampler_name": "magic"},
            ALL,
            "invalid_parameters",
            "node 2 (Sampler): sampler_name cannot be 'magic'; one of: euler, heun",
        ),
        (
            {},
            ALL | {"Sampler": None},
            "missing_node",
            "node 2: the backend has no node class 'Sampler'; install the custom node that brings it there, "
            "or take it out of the workflow",
        ),
    ],
)
def test_what_is_lacking_is_named_with_its_place_and_a_remedy(
    values: dict[str, Any], inventory: Any, code: str, said: str
) -> None:
    found = lack(graph(**values), inventory)
    assert found is not None
    assert (found.code, found.detail) == (code, said)


def test_of_many_choices_a_few_are_named() -> None:
    many = NodeClass({"ckpt_name": [f"{n}.safetensors" for n in range(40)]})
    found = lack(graph(), ALL | {"Loader": many})
    assert found is not None
    assert found.detail.endswith("4.safetensors and 35 more")


def test_what_was_not_asked_is_not_lacking() -> None:
    assert lack(graph(ckpt_name="c.safetensors"), {"Save": SAVER}) is None
    assert lack(graph(ckpt_name="c.safetensors"), {}) is None


def test_a_node_that_no_output_leans_on_may_be_wrong() -> None:
    """The server does not look at it either."""
    unused = {"5": {"class_type": "Loader", "inputs": {"ckpt_name": "gone.safetensors"}}}
    assert lack(graph() | unused, ALL) is None
    assert lack(graph() | unused | {"6": {"class_type": "Nowhere", "inputs": {}}}, ALL | {"Nowhere": None})


def test_a_model_is_known_by_its_input_or_its_ending() -> None:
    assert is_model("ckpt_name", "anything")
    assert is_model("anything", "style.GGUF")
    assert not is_model("sampler_name", "euler")


def standings(**each: tuple[bool, bool | None]) -> list[Standing]:
    return [Standing(name, healthy, able) for name, (healthy, able) in each.items()]


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        ({"a": (True, True), "b": (True, False)}, {"a"}),
        ({"a": (False, True), "b": (True, False)}, set()),
        ({"a": (False, None), "b": (True, False)}, set()),
        ({"a": (False, False), "b": (True, False)}, {"b"}),
        ({"a": (True, True), "b": (False, None), "c": (True, True)}, {"a", "c"}),
        ({"a": (False, True)}, set()),
        ({}, set()),
    ],
)
def test_an_image_goes_to_who_can_waits_for_who_might_and_fails_where_nobody_can(
    each: dict[str, tuple[bool, bool | None]], expected: set[str]
) -> None:
    assert takers(standings(**each)) == expected


def test_a_wish_is_the_same_for_whatever_makes_no_difference_to_a_backend() -> None:
    def wish(**wishes: Any) -> Wish:
        return wish_of(reserved(**wishes).request)

    models = {"checkpoint": "x.safetensors", "sampler": "euler"}
    one = wish(parameters={**models, "steps": 5}, prompt="a", seed=1)
    two = wish(parameters={**dict(reversed(models.items())), "steps": 9}, prompt="b", seed=2)
    assert (one, one.key) == (two, two.key)
    assert one.key != wish(parameters={**models, "sampler": "heun"}).key
    assert one.key != wish(parameters=models, style="noir").key


def test_a_wish_names_the_embedding_that_some_backends_have() -> None:
    character = Character(id="opal", name="Opal", collection="premade_characters", embedding="opal_fever")
    wish = wish_of(reserved(character=character).request)
    assert wish.embedding == "opal_fever"
    assert wish.key != wish_of(reserved().request).key
