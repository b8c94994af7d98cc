"""Stand-ins in a process of their own, so that their work and the test's do not wait for each other."""

import asyncio
import random
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx

from chassis.cloudinary_url import credentials
from sandbox.ensemble import StandIns
from tests.journeys.around import Around
from tests.journeys.process import START_SECONDS, environment
from tests.source import ROOT


@asynccontextmanager
async def beside(folder: Path, render_seconds: float, backends: int = 2) -> AsyncIterator[Around]:
    """ComfyUI servers and a Cloudinary that outlive every service."""
    with (folder / "sandbox.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sandbox", "--folder", str(folder / "sandbox")),
            *("--first-port", str(_ports_in_a_row(backends + 1)), "--backends", str(backends)),
            *("--render-seconds", str(render_seconds)),
            cwd=ROOT,
            env=environment({}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        known = dict([await _line(process), await _line(process)])
        urls = tuple(url.removeprefix("comfyui+") for url in known["RENDERER_URLS"].split(","))
        storage = credentials(known["CLOUDINARY_URL"]).upload_prefix
        async with httpx.AsyncClient(timeout=30) as client:
            yield Around(StandIns(urls, storage), client)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: asyncio.subprocess.Process) -> tuple[str, str]:
    """The next variable that it names."""
    assert process.stdout is not None
    async with asyncio.timeout(START_SECONDS):
        name, _, value = (await process.stdout.readline()).decode().strip().partition("=")
    return name, value


def _ports_in_a_row(count: int) -> int:
    """The first of so many free ones, below the ephemeral range."""
    while True:
        first = random.randrange(12_000, 32_000)
        with ExitStack() as held:
            try:
                for port in range(first, first + count):
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
