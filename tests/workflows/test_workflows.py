"""The workflows of the repository, and what is refused at the start with its place named."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.renderer.adapters.workflows import BadWorkflow, load, load_workflows

SHIPPED = Path(__file__).parents[2] / "workflows"
GRAPH: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}
INPUTS = 'output = "9"\n[inputs]\nseed = "1.color"\nfilename_prefix = "9.filename_prefix"\n'


def made(folder: Path, graph: Any = GRAPH, inputs: str = INPUTS) -> Path:
    (folder / "graph.json").write_text(json.dumps(graph))
    (folder / "inputs.toml").write_text(inputs)
    return folder


def test_the_shipped_workflows_can_be_used() -> None:
    found = load_workflows(SHIPPED)
    assert set(found) == {"colour-card", "portrait"}
    assert set(found["portrait"].parameters) == {"checkpoint", "steps", "cfg", "sampler", "scheduler"}
    assert set(found["portrait"].styles) == {"photographic", "anime", "watercolour", "noir"}


def test_a_value_may_go_to_several_nodes(tmp_path: Path) -> None:
    workflow = load(made(tmp_path, inputs=INPUTS + 'width = ["1.width", "1.height"]\n'))
    assert [place.input for place in workflow.inputs["width"].to] == ["width", "height"]


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        ({"nodes": [], "links": []}, r"graph\.json is an export of ComfyUI's editor"),
        ({}, "an object of nodes"),
        ([], "an object of nodes"),
        ({"1": {"inputs": {}}}, "node 1 has no class_type"),
        ({"1": {"class_type": "X"}}, "node 1 has no inputs"),
        ({"9": {"class_type": "X", "inputs": {"images": ["77", 0]}}}, "node 9: images comes from node 77"),
    ],
)
def test_a_graph_that_cannot_run_is_refused(tmp_path: Path, graph: Any, reason: str) -> None:
    with pytest.raises(BadWorkflow, match=reason):
        load(made(tmp_path, graph))


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ("output = ", "Invalid value"),
        (INPUTS.replace('"9"', '"8"', 1), "output names no node"),
        (INPUTS.replace("1.color", "2.color"), "inputs.seed names node '2'; the graph has 1, 9"),
        (INPUTS.replace("1.color", "1.colour"), "inputs.seed names input 'colour'; node 1 has width"),
        (INPUTS.replace("1.color", "9.images"), "inputs.seed would cut the link of 9.images to node 1"),
        (INPUTS.replace("seed", "sead"), "inputs.sead is unknown; known: filename_prefix"),
        ('output = "9"\n[inputs]\nseed = "1.color"\n', "inputs.filename_prefix is missing"),
        (INPUTS + 'width = { to = "1.width", modulo = 8 }\n', "inputs.width.modulo is for the seed"),
        (INPUTS + 'prompt = "1.width"\n', "inputs.prompt puts a str into 1.width, where the graph has a int"),
        (INPUTS.replace("1.color", "9.filename_prefix", 1), "inputs.seed puts a int into 9.filename_prefix"),
        (INPUTS + 'width = "1.color"\n', "inputs.width fills in 1.color, and so does inputs.seed"),
        (
            INPUTS + '[parameters]\nhue = { to = "1.color", type = "int" }\n',
            "inputs.seed fills in 1.color, and so does parameters.hue",
        ),
        (
            INPUTS + '[parameters]\nfast = { to = "1.width", type = "bool" }\n',
            "parameters.fast puts a bool into 1.width",
        ),
        (INPUTS + "width = 5\n", "inputs.width needs to"),
        (INPUTS + '[parameters]\ncolor = "1.color"\n', "parameters.color must be a table"),
        (
            INPUTS + '[parameters]\ncolor = { to = "1.color", type = "hue" }\n',
            "parameters.color.type must be",
        ),
        (
            INPUTS + "[styles.red]\nparameters = { color = 5 }\n",
            "styles.red.parameters.color is no parameter",
        ),
        (INPUTS + "[styles.red]\nprompt = 5\n", "styles.red has a prompt that is no text"),
        (INPUTS + "[stiles]\n", "stiles is unknown"),
    ],
)
def test_a_wrong_binding_is_refused_with_its_place(tmp_path: Path, inputs: str, reason: str) -> None:
    with pytest.raises(BadWorkflow, match=reason):
        load(made(tmp_path, inputs=inputs))


def test_a_folder_without_workflows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadWorkflow, match=r"has no <name>/graph\.json"):
        load_workflows(tmp_path)
