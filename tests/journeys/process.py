"""The system as a process of its own, which can be told to stop and can be killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.journeys.caller import Caller
from tests.source import ROOT

#: Seconds that a start may take on a machine that is busy with other tests.
START_SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it wrote."""

    status: int
    out: str
    error: str


@dataclass(frozen=True)
class Running:
    """A system that listens."""

    process: asyncio.subprocess.Process
    client: httpx.AsyncClient

    def caller(self, username: str, scope: str = "") -> Caller:
        return Caller(self.client, username, scope)

    async def kill(self) -> None:
        """SIGKILL: no handler, no flush, no farewell."""
        self.process.kill()
        assert await self.process.wait() == -signal.SIGKILL

    async def stop(self, within: float) -> int:
        """SIGTERM; its exit status. Raises TimeoutError where it takes longer."""
        self.process.terminate()
        async with asyncio.timeout(within):
            return await self.process.wait()


@asynccontextmanager
async def started(folder: Path, known: Mapping[str, str]) -> AsyncIterator[Running]:
    """`python -m services`, from its first word to the end of the block at the latest. What it logs is
    kept in the folder."""
    with (folder / "system.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services",
            cwd=ROOT,
            env=environment(known),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient(base_url=await _address(process, folder), timeout=20) as client:
            yield Running(process, client)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ran(*arguments: str, known: Mapping[str, str], within: float = START_SECONDS) -> Ended:
    """A command to its end. Raises TimeoutError, and ends it, where it takes longer."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env=environment(known),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(within):
            out, error = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ended(process.returncode or 0, out.decode(), error.decode())


def environment(known: Mapping[str, str]) -> dict[str, str]:
    """What the journey says and where programs are; nothing else of this machine."""
    return {"PATH": os.environ["PATH"], **known}


async def _address(process: asyncio.subprocess.Process, folder: Path) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(START_SECONDS):
        line = (await process.stdout.readline()).decode()
    assert line.startswith("Darkroom is at "), (folder / "system.log").read_text()[-3000:]
    return line.split()[-1]
