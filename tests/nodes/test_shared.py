"""A test run has one node of each kind, whatever the number of its workers, and leaves none behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nodes.waiting import wait_until

ROOT = Path(__file__).parents[2]

USES_THE_SERVER = """
import os
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["one", "two"])
def test_server(name, nodes_run, postgres_node):
    Path(os.environ["SEEN"], name).write_text(f"{nodes_run.folder} {postgres_node.port}")
"""
IS_KILLED = USES_THE_SERVER + "    os.kill(nodes_run.leader, 9)\n"
ASKS_FOR_NOTHING = """
def test_nothing(nodes_run):
    assert not nodes_run.folder.exists()
"""


def run(folder: Path, tests: str, *options: str) -> int:
    (folder / "test_inner.py").write_text(tests)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        *options,
    ]
    environment = {**os.environ, "SEEN": str(folder), "PYTHONPATH": str(ROOT)}
    inner = {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [*command, "test_inner.py"], cwd=folder, env=inner, check=False, stdout=subprocess.DEVNULL, timeout=60
    ).returncode


def nodes_under(folder: str) -> list[str]:
    """Command lines of the processes that work in this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = process.read_text()
        except OSError:  # it ended while we looked
            continue
        if folder in command:
            found.append(command)
    return found


@pytest.mark.slow
def test_workers_share_a_server_that_ends_with_the_run(tmp_path: Path) -> None:
    assert run(tmp_path, USES_THE_SERVER, "-n", "2") == 0
    one, two = (tmp_path / name for name in ("one", "two"))
    assert one.read_text() == two.read_text()
    folder = one.read_text().split()[0]
    assert not Path(folder).exists()
    assert nodes_under(folder) == []


@pytest.mark.slow
def test_a_server_does_not_outlive_a_run_that_is_killed(tmp_path: Path) -> None:
    assert run(tmp_path, IS_KILLED) == -9
    folder = (tmp_path / "one").read_text().split()[0]
    wait_until(lambda: not Path(folder).exists() and not nodes_under(folder))


def test_a_run_that_needs_no_server_starts_none(tmp_path: Path) -> None:
    assert run(tmp_path, ASKS_FOR_NOTHING) == 0
