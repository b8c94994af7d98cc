"""With CI=true a skip fails the run, wherever it happens."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IN_A_TEST = """
import pytest


def test_it():
    pytest.skip("no engine here")


@pytest.mark.skip(reason="not today")
def test_marked(): ...


@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    assert False
"""
OF_A_MODULE = """
import pytest

pytest.skip("no module here", allow_module_level=True)
"""


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    (tmp_path / "test_one.py").write_text(IN_A_TEST)
    (tmp_path / "test_two.py").write_text(OF_A_MODULE)
    return tmp_path


def run(folder: Path, ci: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"CI": ci, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "tests.no_skips", "--continue-on-collection-errors"]
    return subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)


def test_in_ci_each_skip_fails_the_run_and_says_why(tests: Path) -> None:
    done = run(tests, ci="true")
    assert done.returncode == 1
    assert all(reason in done.stdout for reason in ("no engine here", "not today", "no module here"))
    assert done.stdout.count("with CI=true a skip is a failure") >= 3
    assert "1 failed, 1 xfailed, 2 errors" in done.stdout


def test_elsewhere_a_skip_stays_a_skip(tests: Path) -> None:
    assert run(tests, ci="").returncode == 0
