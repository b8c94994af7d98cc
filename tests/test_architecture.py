"""The rules of the house that no linter knows, read from the source."""

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from contracts import topology
from tests import source

SERVICES = tuple(topology.READERS)
#: Modules or packages; `adapters` is always a package.
ROOMS = frozenset({"__init__", "__main__", "settings", "app", "domain", "handlers", "ports", "adapters"})
DRAWERS = frozenset({"util", "utils", "common", "helper", "helpers"})
MODES = re.compile(r"\b(embedded|distributed)\b", re.IGNORECASE)

MAX_FILE, MAX_FUNCTION = 300, 60

#: Every place that catches whatever comes, and why nothing narrower would do; one reason per place.
CATCHES_ALL = {
    "messaging/consumer.py": (
        "a bug in a handler becomes an attempt",
        "what follows a settled delivery must not unsettle it",
    ),
    "messaging/rabbitmq/link.py": ("a connection that gave up would be silent for ever",),
    "messaging/rabbitmq/intake.py": ("a consumer that gave up would be silent for ever",),
    "messaging/rabbitmq/careful.py": ("a frame that nobody can read would be delivered for ever",),
    "messaging/rabbitmq/consumer.py": ("a settling that cannot be encoded becomes an attempt",),
    "chassis/cloudinary_account.py": ("the SDK raises bare Exception; what came over the wire is judged",),
    "chassis/logs.py": ("a value that cannot be shown must not hide the line about it",),
    "chassis/main.py": ("the last word of a process is a log line, redacted",),
    "chassis/web.py": ("a check that breaks has found trouble",),
    "chassis/process.py": ("a round of a sweep that fails is followed by the next one",),
    "services/gateway/adapters/hearing.py": ("what one event breaks may cost the others no attempt",),
    "sandbox/comfyui/execution.py": ("as in the real server, whatever a node raises ends its prompt alone",),
}


#: Keeps a foreign package from reading a variable while it is imported.
HIDES_THE_ENVIRONMENT = "chassis/cloudinary_sdk.py:"


def told_by_importing(folder: Path, *modules: str) -> list[str]:
    command = [sys.executable, "-m", "tests.watched_import", str(folder), *modules]
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(command, cwd=source.ROOT, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_service_that_can_be_started_has_the_same_rooms() -> None:
    for service in SERVICES:
        folder = source.ROOT / "services" / service
        there = {path.stem for path in folder.glob("*")}
        if {"__main__", "app"} <= there:
            assert there >= ROOMS, f"services/{service} lacks {', '.join(sorted(ROOMS - there))}"
            assert (folder / "adapters").is_dir()


def test_there_is_no_service_that_the_topology_does_not_know() -> None:
    folders = {path.parent.name for path in (source.ROOT / "services").glob("*/__init__.py")}
    assert folders <= set(SERVICES)


def test_decisions_are_pure() -> None:
    for service in SERVICES:
        for path in source.room(service, "domain"):
            assert source.impurities(source.parse(path), source.package_of(path)) == [], source.named(path)


def test_handlers_import_only_what_they_decide_with() -> None:
    for service in SERVICES:
        for path in source.room(service, "handlers"):
            assert source.unwelcome(source.parse(path), source.package_of(path)) == [], source.named(path)


@pytest.mark.parametrize("package", source.PACKAGES)
def test_importing_reads_no_environment_and_opens_no_socket(package: str) -> None:
    told = told_by_importing(source.ROOT, *source.modules(package))
    assert [line for line in told if not line.startswith(HIDES_THE_ENVIRONMENT)] == []


def test_whatever_comes_is_caught_only_in_places_with_a_stated_reason() -> None:
    caught = [
        (source.named(path), line)
        for path in source.files()
        for line in source.catches_all(source.parse(path))
    ]
    listed = {path: len(why) for path, why in CATCHES_ALL.items() if (source.ROOT / path).exists()}
    assert Counter(path for path, _ in caught) == Counter(listed)
    for path, line in caught:
        # A tuple puts the comment up to two lines below the word `except`.
        head = "\n".join((source.ROOT / path).read_text().splitlines()[line - 1 : line + 2])
        reason = head.partition("#")[2].partition("\n")[0].rpartition("BLE001")[2]
        assert len(reason.split()) > 3, f"{path}:{line} catches all and says no reason"


def test_no_function_and_no_file_is_longer_than_one_can_hold_in_mind() -> None:
    for path in source.files():
        assert source.long_functions(source.parse(path), MAX_FUNCTION) == [], source.named(path)
        assert len(path.read_text().splitlines()) <= MAX_FILE, source.named(path)


def test_no_service_knows_in_which_shape_the_system_runs() -> None:
    for service in SERVICES:
        for path in source.files(f"services/{service}"):
            assert not MODES.search(path.read_text()), source.named(path)


def test_there_are_no_drawers() -> None:
    for path in source.files(*source.PACKAGES, "tests"):
        parts = {part.strip("_") for part in path.relative_to(source.ROOT).with_suffix("").parts}
        assert DRAWERS.isdisjoint(parts), source.named(path)


@pytest.mark.parametrize(
    "deed",
    [
        "import time",
        "import httpx",
        "import uuid\nuuid.uuid4()",
        "from datetime import datetime\ndatetime.now()",
        "from random import choice",
        "from sqlalchemy import select",
        "from services.uploader.domain import Row",
        "from .adapters import ledger",
        "from . import settings",
        "async def decide(): ...",
        "open('x')",
    ],
)
def test_a_decision_that_reaches_outside_is_noticed(deed: str) -> None:
    pure = "import re\nfrom datetime import datetime\nfrom contracts import names\nfrom .domain import Row\n"
    assert source.impurities(ast.parse(pure), "services.indexer") == []
    assert source.impurities(ast.parse(pure + deed), "services.indexer") != []


@pytest.mark.parametrize(
    "line",
    [
        "import logging",
        "from messaging.bus import Bus",
        "from messaging.errors import Unroutable",
        "from messaging import errors",
        "from .adapters.ledger import Ledger",
        "from . import settings",
        "from services.uploader.ports import Storage",
    ],
)
def test_a_handler_that_imports_more_is_noticed(line: str) -> None:
    few = "\n".join(
        [
            "from collections.abc import Sequence",
            "from typing import Protocol",
            "from contracts.events import ImageReady",
            "from messaging.errors import TemporaryError, Later",
            "from . import domain",
            "from .ports import Ledger",
            "from services.indexer.domain import decide",
            "from services.indexer.domain.jobs import buried\n",
        ]
    )
    assert source.unwelcome(ast.parse(few), "services.indexer") == []
    assert source.unwelcome(ast.parse(few + line), "services.indexer") != []


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("try: ...\nexcept: ...", [2]),
        ("try: ...\nexcept Exception: ...", [2]),
        ("try: ...\nexcept (ValueError, BaseException) as e: ...", [2]),
        ("with contextlib.suppress(Exception): ...", [1]),
        ("try: ...\nexcept BaseException:\n  raise", []),
        ("try: ...\nexcept ValueError: ...", []),
    ],
)
def test_catching_whatever_comes_is_noticed(code: str, lines: list[int]) -> None:
    assert source.catches_all(ast.parse(code)) == lines


def test_a_long_function_is_noticed() -> None:
    code = ast.parse("def long():\n" + "  x = 1\n" * 60)
    assert source.long_functions(code, 61) == []
    assert source.long_functions(code, 60) == ["long has 61 lines"]


def test_an_import_that_reads_the_environment_or_opens_a_socket_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "reads.py").write_text("import os\nURL = os.environ.get('BUS_URL')\n")
    (tmp_path / "asks.py").write_text("import os\nURL = os.getenv('BUS_URL', 'memory:')\n")
    (tmp_path / "opens.py").write_text("import socket\nsocket.socket().close()\n")
    (tmp_path / "waits.py").write_text("import os\ndef url():\n  return os.environ['BUS_URL']\n")
    assert told_by_importing(tmp_path, "reads", "asks", "opens", "waits") == [
        "reads.py:2 reads the variable BUS_URL",
        "asks.py:2 reads the variable BUS_URL",
        "opens.py:2 opens a socket",
    ]


def test_what_a_foreign_package_does_while_it_is_imported_is_not_held_against_us(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text("import cloudinary.uploader\n")
    assert told_by_importing(tmp_path, "ours") == []
