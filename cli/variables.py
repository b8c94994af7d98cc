"""Every variable that anything of Darkroom reads, from the settings themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic.fields import FieldInfo

from chassis.settings import Settings
from services.__main__ import SERVICES, SystemSettings


@dataclass(frozen=True)
class Variable:
    name: str
    readers: tuple[str, ...]
    #: As it would be written; None where it must be set.
    default: str | None
    meaning: str


def variables() -> list[Variable]:
    """By name. What differs between services (a port) lists each default in the order of the readers."""
    found: dict[str, dict[str, FieldInfo]] = {}
    readers: dict[str, type[Settings]] = {name: kind for name, (kind, _) in SERVICES.items()}
    readers["python -m services"] = SystemSettings
    for reader, kind in readers.items():
        for field, info in kind.model_fields.items():
            found.setdefault(field.upper(), {})[reader] = info
    return [_variable(name, fields) for name, fields in sorted(found.items())]


def markdown() -> str:
    """The README's table."""
    rows = [
        f"| `{each.name}` | {_readers(each.readers)} | {_default(each)} | {each.meaning} |"
        for each in variables()
    ]
    return "\n".join(["| variable | read by | default | what it says |", "|---|---|---|---|", *rows]) + "\n"


def _variable(name: str, fields: Mapping[str, FieldInfo]) -> Variable:
    defaults = list(dict.fromkeys(_written(info) for info in fields.values()))
    first = next(iter(fields.values()))
    known = [default for default in defaults if default is not None]
    return Variable(name, tuple(fields), ", ".join(known) if known else None, first.description or "")


def _written(info: FieldInfo) -> str | None:
    if info.is_required():
        return None
    value: Any = info.default.value if isinstance(info.default, Enum) else info.default
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _readers(readers: tuple[str, ...]) -> str:
    return "all" if set(SERVICES) <= set(readers) else ", ".join(readers)


def _default(variable: Variable) -> str:
    if variable.default is None:
        return "must be set"
    return f"`{variable.default}`" if variable.default else "unset"
