"""Hand-checked bodies: a full one for every message, and how the tests read them.

`ids.json` pins the id of each. An id that changes makes a replay look new, so it may never be regenerated."""

import json
from pathlib import Path
from typing import Any

from contracts import topology
from contracts.message import Message

FOLDER = Path(__file__).parent
NAMES: tuple[str, ...] = tuple(sorted(path.name for path in FOLDER.glob("*.v*.json")))


def body(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def value(name: str) -> Any:
    return json.loads(body(name))


def message_of(name: str) -> type[Message]:
    return topology.BY_ROUTE[".".join(name.split(".")[:2])]


def ids() -> dict[str, str]:
    pinned: dict[str, str] = value("ids.json")
    return pinned
