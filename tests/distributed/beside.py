"""Stand-ins in a process of their own, so that their work and the test's do not wait for each other."""

import asyncio
import random
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx

from chassis.cloudinary_url import credentials
from sandbox.ensemble import StandIns
from tests.journeys.around import Around
from tests.journeys.process import START_SECONDS, environment
from tests.source import ROOT


@asynccontextmanager
async def beside(
    folder: Path, render_seconds: float, backends: int = 2, *more: str, endpoints: int = 0
) -> AsyncIterator[Around]:
    """ComfyUI servers, RunPod endpoints and a Cloudinary that outlive every service; `more` are further words
    for `python -m sandbox`."""
    with (folder / "sandbox.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sandbox", "--folder", str(folder / "sandbox")),
            *("--first-port", str(_ports_in_a_row(backends + 2)), "--backends", str(backends)),
            *("--render-seconds", str(render_seconds), "--endpoints", str(endpoints), *more),
            cwd=ROOT,
            env=environment({}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        known = dict([await _line(process) for _ in range(4 if endpoints else 2)])
        async with httpx.AsyncClient(timeout=30) as client:
            yield Around(_where(known), client)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _where(known: Mapping[str, str]) -> StandIns:
    renderers = known["RENDERER_URLS"].split(",")
    return StandIns(
        backends=tuple(url.removeprefix("comfyui+") for url in renderers if url.startswith("comfyui+")),
        storage=credentials(known["CLOUDINARY_URL"]).upload_prefix,
        runpod=known.get("RUNPOD_API_URL"),
        endpoints=tuple(url.removeprefix("runpod://") for url in renderers if url.startswith("runpod://")),
    )


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
