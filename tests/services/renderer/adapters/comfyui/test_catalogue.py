"""How servers declare the choices of an input."""

from typing import Any

import pytest

from services.renderer.adapters.comfyui.catalogue import node_class
from services.renderer.domain.equipment import NodeClass


def declared(**inputs: Any) -> dict[str, Any]:
    return {"C": {"input": {"required": inputs}, "output_node": False}}


@pytest.mark.parametrize(
    ("spec", "choices"),
    [
        ([["a", "b"]], ["a", "b"]),
        ([["a", "b"], {"default": "a"}], ["a", "b"]),
        ([[]], []),
        (["COMBO", {"options": ["a", "b"]}], ["a", "b"]),
        (["COMBO", {"remote": {"route": "/x"}, "options": ["a"]}], None),
        ([["one.png"], {"image_upload": True}], None),
        (["INT", {"default": 1}], None),
        (["COMBO"], None),
        ([], None),
        ("what", None),
    ],
)
def test_choices_are_a_list_in_either_form(spec: Any, choices: list[str] | None) -> None:
    assert node_class(declared(name=spec), "C") == NodeClass({} if choices is None else {"name": choices})


def test_optional_inputs_and_output_nodes_are_known() -> None:
    answer = {"C": {"input": {"optional": {"x": [["a"]]}}, "output_node": True}}
    assert node_class(answer, "C") == NodeClass({"x": ["a"]}, output=True)


@pytest.mark.parametrize("answer", [{}, None, [], {"C": None}, {"D": {}}])
def test_an_unknown_class_is_none(answer: Any) -> None:
    assert node_class(answer, "C") is None
