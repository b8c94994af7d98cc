"""Which workflows there are, and what a request for each may say: folders with an `inputs.toml`."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chassis.settings import BadSettings
from contracts.commands import Parameter
from contracts.forms import Allowed, Form, Forms

TYPES: Mapping[str, type[Parameter]] = {"string": str, "int": int, "number": float, "bool": bool}


class BadForm(ValueError):
    """A part of an inputs.toml that can't be used; the text names the place and says what it should be."""


def known_workflows(folder: Path) -> Forms:
    """The workflows in `folder` by name. Raises BadSettings where there are none, or where one of them has a
    mistake, with its place."""
    found = {path.parent.name: _read(path) for path in sorted(folder.glob("*/inputs.toml"))}
    if not found:
        raise BadSettings(
            f"WORKFLOWS_DIR={folder} holds no workflow: set it to the folder with <name>/graph.json and "
            "<name>/inputs.toml, without which every batch would be refused"
        )
    return found


def form_of(table: Mapping[str, Any]) -> Form:
    """From a whole inputs.toml. Raises BadForm."""
    parameters, styles = _table(table, "parameters"), _table(table, "styles")
    title = table.get("title", "")
    if not isinstance(title, str):
        raise BadForm("title must be a text")
    allowed = {name: allowed_of(f"parameters.{name}", value) for name, value in parameters.items()}
    return Form(title, allowed, frozenset(styles))


def allowed_of(place: str, value: Any) -> Allowed:
    """From one entry of `[parameters]`. Raises BadForm."""
    if not isinstance(value, dict):
        raise BadForm(f'{place} must be a table such as {{ to = "3.steps", type = "int" }}')
    if value.get("type") not in TYPES:
        raise BadForm(f"{place}.type must be one of {', '.join(TYPES)}")
    kind = TYPES[value["type"]]
    least, most = _bounds(place, value)
    choices = value.get("choices", [])
    if not isinstance(choices, list):
        raise BadForm(f"{place}.choices must be a list")
    for choice in choices:
        why = Allowed(kind).misfit(choice)
        if why:
            raise BadForm(f"{place}.choices has {choice!r}, which {why}")
    return Allowed(kind, least, most, tuple(choices))


def _bounds(place: str, value: Mapping[str, Any]) -> tuple[float | None, float | None]:
    for bound in ("min", "max"):
        if bound in value and not _is_number(value[bound]):
            raise BadForm(f"{place}.{bound} must be a number")
    least, most = value.get("min"), value.get("max")
    if least is not None and most is not None and least > most:
        raise BadForm(f"{place}.min is above its max, so that no value would fit")
    return least, most


def _read(path: Path) -> Form:
    try:
        return form_of(tomllib.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as why:
        raise BadSettings(f"{path}: {why}") from None


def _table(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = table.get(name, {})
    if not isinstance(value, dict):
        raise BadForm(f"{name} must be a table")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
