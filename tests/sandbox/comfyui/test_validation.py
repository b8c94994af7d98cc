"""Graphs that are refused, in the real server's words."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.comfyui import Settings
from sandbox.comfyui.files import Files
from sandbox.comfyui.node_inputs import Shelf
from sandbox.comfyui.validation import NotAGraph, Refused, validate
from tests.sandbox.comfyui.server import Json, Server, empty_image, images, portrait

_NO_FILE = {"class_type": "LoadImage", "inputs": {"image": "no.png"}}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(Settings(files=tmp_path), Files(tmp_path))


def refusal(graph: Any, shelf: Shelf) -> Json:
    with pytest.raises(Refused) as refused:
        validate(graph, shelf)
    return refused.value.body


def changed(graph: Json, node: str, **inputs: object) -> Json:
    graph[node]["inputs"].update(inputs)
    return graph


def test_both_small_graphs_are_accepted_with_their_output(shelf: Shelf) -> None:
    for graph in (empty_image(), portrait()):
        accepted = validate(graph, shelf)
        assert (accepted.outputs, accepted.node_errors) == (("9",), {})


def test_values_are_converted_in_the_graph(shelf: Shelf) -> None:
    graph = empty_image(width="128")
    validate(graph, shelf)
    assert graph["1"]["inputs"]["width"] == 128


def test_an_unknown_node_is_named(shelf: Shelf) -> None:
    assert refusal({"1": {"class_type": "NoSuchNode", "inputs": {}}}, shelf) == {
        "error": {
            "type": "missing_node_type",
            "message": "Node 'NoSuchNode' not found. The custom node may not be installed.",
            "details": "Node ID '#1'",
            "extra_info": {"node_id": "1", "class_type": "NoSuchNode", "node_title": "NoSuchNode"},
        },
        "node_errors": {},
    }


def test_a_bad_value_is_told_with_the_outputs_that_depend_on_it(shelf: Shelf) -> None:
    body = refusal(empty_image(width="abc"), shelf)
    assert body["error"] == {
        "type": "prompt_outputs_failed_validation",
        "message": "Prompt outputs failed validation",
        "details": "",
        "extra_info": {},
    }
    node = body["node_errors"]["1"]
    assert (node["dependent_outputs"], node["class_type"]) == (["9"], "EmptyImage")
    (error,) = node["errors"]
    assert (error["type"], error["message"]) == (
        "invalid_input_type",
        "Failed to convert an input value to a INT value",
    )
    assert error["details"] == "width, abc, invalid literal for int() with base 10: 'abc'"
    assert set(error["extra_info"]) == {"input_name", "input_config", "received_value", "exception_message"}


def test_a_missing_model_is_not_in_the_list(shelf: Shelf) -> None:
    body = refusal(changed(portrait(), "4", ckpt_name="nope.safetensors"), shelf)
    (error,) = body["node_errors"]["4"]["errors"]
    assert error["type"] == "value_not_in_list"
    assert error["details"] == "ckpt_name: 'nope.safetensors' not in ['sd_xl_base_1.0.safetensors']"


@pytest.mark.parametrize(
    ("graph", "node", "kind"),
    [
        (empty_image(width=99999), "1", "value_bigger_than_max"),
        (empty_image(width=0), "1", "value_smaller_than_min"),
        (changed(empty_image(), "9", images=["1"]), "9", "bad_linked_input"),
        (changed(empty_image(), "9", images=["7", 0]), "9", "exception_during_validation"),
        (changed(empty_image(), "9", images=["1", 5]), "9", "exception_during_validation"),
        (changed(portrait(), "8", samples=["77", 0]), "8", "exception_during_inner_validation"),
        (changed(portrait(), "8", samples=["4", 0]), "8", "return_type_mismatch"),
        (changed(portrait(), "3", denoise=2), "3", "value_bigger_than_max"),
        (changed(portrait(), "3", sampler_name="magic"), "3", "value_not_in_list"),
        (
            {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "a"}}},
            "1",
            "required_input_missing",
        ),
        ({**empty_image(), "1": {"class_type": "EmptyImage"}}, "1", "required_input_missing"),
        (
            {**empty_image(), "1": {"class_type": "LoadImage", "inputs": {"image": "no.png"}}},
            "1",
            "custom_validation_failed",
        ),
    ],
)
def test_each_fault_has_its_type_at_its_node(shelf: Shelf, graph: Json, node: str, kind: str) -> None:
    assert refusal(graph, shelf)["node_errors"][node]["errors"][0]["type"] == kind


def test_a_cycle_is_found(shelf: Shelf) -> None:
    graph = {
        "1": {"class_type": "VAEDecode", "inputs": {"samples": ["2", 0], "vae": ["3", 0]}},
        "2": {"class_type": "VAEEncode", "inputs": {"pixels": ["1", 0], "vae": ["4", 2]}},
        "4": portrait()["4"],
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
    }
    graph["1"]["inputs"]["vae"] = ["4", 2]
    errors = refusal(graph, shelf)["node_errors"]
    assert "dependency_cycle" in [each["type"] for node in errors.values() for each in node["errors"]]


@pytest.mark.parametrize("graph", [[], "x", None, {"nodes": [], "links": []}, {"1": "x"}])
def test_what_is_no_graph_at_all_is_told_apart(shelf: Shelf, graph: object) -> None:
    with pytest.raises(NotAGraph):
        validate(graph, shelf)


def test_a_shared_fault_counts_for_every_output_that_leans_on_it(shelf: Shelf) -> None:
    graph = empty_image(width="abc")
    body = refusal({**graph, "10": graph["9"]}, shelf)
    assert body["node_errors"]["1"]["dependent_outputs"] == ["9", "10"]


async def test_a_prompt_with_one_good_output_runs_with_fewer_images(comfy: Server) -> None:
    graph = empty_image()
    bad = {"class_type": "EmptyImage", "inputs": {"width": "abc"}}
    save = {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "bad"}}
    answer = await comfy.http.post("/prompt", json={"prompt": {**graph, "2": bad, "10": save}})
    assert answer.status_code == 200
    assert answer.json()["node_errors"]["2"]["dependent_outputs"] == ["10"]
    entry = await comfy.history(answer.json()["prompt_id"])
    assert list(entry["outputs"]) == ["9"]
    assert len(images(entry)) == 1
