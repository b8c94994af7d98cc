"""A service on its own, as a real process: a sentence where it can't start, and a prompt end."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.chassis.databases import ROOT

#: Seconds in which a process with nothing to do has to end.
PROMPT = 10


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'lone.db'}"


@asynccontextmanager
async def started(folder: Path, **variables: str) -> AsyncIterator[Process]:
    known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "tests.chassis.lone"),
        env={**known, "PYTHONPATH": str(ROOT), "VAR_DIR": str(folder), "LOG_FORMAT": "json", **variables},
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ended(folder: Path, **variables: str) -> tuple[int | None, str]:
    """How the process ends by itself, and what it says."""
    async with started(folder, **variables) as process, asyncio.timeout(30):
        said, errors = await process.communicate()
    assert said == b""
    assert b"pw" not in errors
    return process.returncode, errors.decode()


async def line(process: Process, event: str) -> dict[str, Any]:
    """The first log line of this event."""
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while text := await process.stderr.readline():
            told: dict[str, Any] = json.loads(text)
            if told["event"] == event:
                return told
    raise AssertionError(f"ended without {event!r}")


async def test_missing_variables_are_named_with_what_to_set(tmp_path: Path) -> None:
    code, said = await ended(tmp_path)
    assert code == 2
    first, *rest = said.splitlines()
    assert first == "lone does not start:"
    assert [text.partition(" (")[0] for text in rest] == ["BUS_URL is not set", "DATABASE_URL is not set"]
    assert "amqp://user:password@host/vhost" in rest[0]


@pytest.mark.parametrize(
    ("url", "words"), [("memory:", "reaches nobody outside one process"), ("redis://u:pw@h", "redis")]
)
async def test_a_bus_that_reaches_nobody_is_refused(
    url: str, words: str, tmp_path: Path, sqlite: str
) -> None:
    code, said = await ended(tmp_path, BUS_URL=url, DATABASE_URL=sqlite)
    assert code == 2
    assert said.startswith("lone does not start:\n")
    assert words in said
    assert "Traceback" not in said


async def test_a_taken_port_is_a_sentence(tmp_path: Path, sqlite: str, rabbitmq_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = await ended(tmp_path, BUS_URL=rabbitmq_url, DATABASE_URL=sqlite, PORT=port)
    assert code == 2
    assert f"HOST and PORT: nothing can listen at 127.0.0.1, port {port}" in said
    assert "Traceback" not in said


async def test_an_error_nobody_foresaw_is_one_redacted_line(tmp_path: Path, rabbitmq_url: str) -> None:
    code, said = await ended(tmp_path, BUS_URL=rabbitmq_url, DATABASE_URL="broken://user:pw@h")
    assert code == 1
    last = json.loads(said.splitlines()[-1])
    assert (last["level"], last["event"], last["service"]) == ("critical", "ended by an error", "lone")
    assert last["exception"].endswith("ValueError: can't work with broken://user:***@h")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_running_process_well(
    number: signal.Signals, tmp_path: Path, sqlite: str, rabbitmq_url: str
) -> None:
    async with started(tmp_path, BUS_URL=rabbitmq_url, DATABASE_URL=sqlite) as process:
        assert (await line(process, "running"))["services"] == ["lone"]
        process.send_signal(number)
        async with asyncio.timeout(PROMPT):
            await line(process, "stopping")
            _, rest = await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in rest


async def test_a_signal_ends_a_process_that_still_waits_for_its_database(
    tmp_path: Path, rabbitmq_url: str
) -> None:
    nowhere = "postgresql+asyncpg://user:pw@127.0.0.1:1/x"
    async with started(tmp_path, BUS_URL=rabbitmq_url, DATABASE_URL=nowhere) as process:
        assert (await line(process, "waits for the database"))["url"].endswith("user@127.0.0.1:1/x")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PROMPT):
            await line(process, "stopped before it was open")
            await process.communicate()
    assert process.returncode == 0


async def test_a_signal_ends_a_process_that_still_waits_for_its_broker(tmp_path: Path, sqlite: str) -> None:
    nowhere = "amqp://user:pw@127.0.0.1:1/x"
    async with started(tmp_path, BUS_URL=nowhere, DATABASE_URL=sqlite) as process:
        await line(process, "waiting for the broker")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PROMPT):
            await line(process, "stopped before it was open")
            await process.communicate()
    assert process.returncode == 0
