"""Which workflows there are, and what a request for each may say."""

from pathlib import Path

import pytest

from chassis.settings import BadSettings
from chassis.workflows import known_workflows
from contracts.forms import Allowed, Form

SHIPPED = Path(__file__).parents[2] / "workflows"


def inputs(folder: Path, text: str, name: str = "portrait") -> Path:
    (folder / name).mkdir()
    (folder / name / "inputs.toml").write_text(text)
    return folder


def test_a_workflow_is_a_folder_with_its_inputs(tmp_path: Path) -> None:
    for name in ("portrait", "colour-card"):
        inputs(tmp_path, "", name)
    (tmp_path / "notes").mkdir()
    assert known_workflows(tmp_path) == {"portrait": Form(), "colour-card": Form()}


def test_its_form_says_what_a_request_may_say() -> None:
    form = known_workflows(SHIPPED)["portrait"]
    assert form.title == "Text to image with an SDXL checkpoint"
    assert form.styles == {"photographic", "anime", "watercolour", "noir"}
    assert form.parameters["steps"] == Allowed(int, 1, 150)
    assert form.parameters["checkpoint"] == Allowed(str)


@pytest.mark.parametrize("folder", ["", "missing"])
def test_without_workflows_a_service_says_what_to_set(tmp_path: Path, folder: str) -> None:
    with pytest.raises(BadSettings, match="WORKFLOWS_DIR"):
        known_workflows(tmp_path / folder)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("output = ", "Invalid value"),
        ("title = 5", "title must be a text"),
        ("styles = 5", "styles must be a table"),
        ("parameters = 5", "parameters must be a table"),
        ('[parameters]\ncolor = "1.color"', "parameters.color must be a table"),
        ('[parameters]\nc = { to = "1.c", type = "hue" }', "parameters.c.type must be one of string, int"),
        ('[parameters]\nc = { type = "int", min = "a" }', "parameters.c.min must be a number"),
        ('[parameters]\nc = { type = "int", max = true }', "parameters.c.max must be a number"),
        ('[parameters]\nc = { type = "int", min = 3, max = 2 }', "parameters.c.min is above its max"),
        ('[parameters]\nc = { type = "int", choices = 5 }', "parameters.c.choices must be a list"),
        (
            '[parameters]\nc = { type = "int", choices = ["a"] }',
            "parameters.c.choices has 'a', which must be",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(BadSettings, match=reason) as refused:
        known_workflows(inputs(tmp_path, text))
    assert "portrait/inputs.toml" in str(refused.value)
