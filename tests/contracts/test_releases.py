"""Whatever a release before this one has said can still be read, means the same, and has the same id."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from contracts.topology import BY_ROUTE
from messaging.envelope import Envelope
from tests.contracts import golden, releases
from tests.source import ROOT

FOLDERS = sorted(path for path in Path(releases.__file__).parent.glob("v*") if path.is_dir())
BODIES = [path for folder in FOLDERS for path in sorted(folder.glob("*.v*.json"))]


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def lost(old: Any, new: Any, at: str = "") -> list[str]:
    """What the one says and the other does not."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [why for key, part in old.items() for why in lost(part, new.get(key), f"{at}/{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            why
            for index, pair in enumerate(zip(old, new, strict=True))
            for why in lost(*pair, f"{at}/{index}")
        ]
    return [] if json.dumps(old) == json.dumps(new) else [f"{at}: {old!r} became {new!r}"]


@pytest.mark.parametrize("path", BODIES, ids=name)
def test_a_body_of_an_earlier_release_is_read_and_means_the_same(path: Path) -> None:
    route = ".".join(path.name.split(".")[:2])
    assert route in BY_ROUTE, (
        f"{route} may still lie in a queue; drop it a release later than its last sender"
    )
    message = BY_ROUTE[route].decode(path.read_bytes())
    assert lost(json.loads(path.read_bytes()), json.loads(message.encode())) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_id_of_an_earlier_release_is_the_same_now(folder: Path) -> None:
    for file, pinned in json.loads((folder / "ids.json").read_text()).items():
        message = golden.message_of(file).decode((folder / file).read_bytes())
        assert str(message.id()) == pinned, file


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_dead_letter_of_an_earlier_release_keeps_its_attempts_and_its_history(folder: Path) -> None:
    said = json.loads((folder / "envelope.json").read_text())
    read = Envelope.read(said["route"], b"{}", said["headers"])
    assert read.headers() == said["headers"]
    assert (read.attempts, len(read.deaths)) == (10, 2)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_a_release_has_said_is_never_changed(folder: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    sums = {file: digest for digest, file in (line.split() for line in lines)}
    assert {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.json")
    } == sums


def test_the_release_that_is_made_here_stands_among_them_with_every_message() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    folder = Path(releases.__file__).parent / f"v{version.rpartition('.')[0]}"
    assert folder in FOLDERS, releases.__doc__
    assert {path.name.split(".v")[0] for path in folder.glob("*.v1.json")} == {
        route.split(".v")[0] for route in BY_ROUTE
    }


def test_what_gets_lost_is_found() -> None:
    old = {"a": 1, "b": [{"c": True}], "d": None}
    assert lost(old, {"a": 1, "b": [{"c": True}], "d": None, "more": 2}) == []
    assert lost(old, {"a": 1.0, "b": [{}]}) == ["/a: 1 became 1.0", "/b/0/c: True became None"]
