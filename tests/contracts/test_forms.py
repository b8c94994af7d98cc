"""What a workflow lets a request say."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.commands import Character, GenerateBatch, Parameter
from contracts.forms import Allowed, Form, misfit

FORM = Form(
    "",
    {"steps": Allowed(int, 1, 150), "sampler": Allowed(str, choices=("euler", "heun"))},
    frozenset({"noir", "anime"}),
)


def request(**wishes: Any) -> GenerateBatch:
    character = Character(id="o", name="Opal", collection="characters")
    return GenerateBatch(batch_id="b", username="Areg", character=character, prompt="x", **wishes)


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [
        (float, 3, True),
        (float, "3", False),
        (int, 3.0, False),
        (bool, True, True),
        (bool, 1, False),
        (int, True, False),
        (str, "x", True),
    ],
)
def test_a_parameter_has_the_type_that_its_workflow_says(
    kind: type[Parameter], value: Parameter, fits: bool
) -> None:
    allowed = Allowed(kind)
    assert (allowed.misfit(value) is None) is fits
    assert replace(allowed, choices=("y",)).misfit(value) is not None


@pytest.mark.parametrize(
    ("wishes", "field", "reason"),
    [
        ({"style": "cubist"}, "style", "portrait has no such style; known: anime, noir"),
        (
            {"parameters": {"stepps": 1}},
            "parameters",
            "portrait has no parameter 'stepps'; known: sampler, steps",
        ),
        ({"parameters": {"steps": 0}}, "parameters", "steps must be at least 1"),
        ({"parameters": {"steps": 151}}, "parameters", "steps must be at most 150"),
        ({"parameters": {"steps": "9"}}, "parameters", "steps must be of type int"),
        ({"parameters": {"sampler": "magic"}}, "parameters", "sampler must be one of euler, heun"),
    ],
)
def test_what_does_not_fit_is_said_with_what_would(wishes: dict[str, Any], field: str, reason: str) -> None:
    assert misfit(request(**wishes), FORM) == (field, reason)


def test_what_fits_is_let_through() -> None:
    assert misfit(request(style="noir", parameters={"steps": 9, "sampler": "heun"}), FORM) is None
    assert misfit(request(), Form()) is None
