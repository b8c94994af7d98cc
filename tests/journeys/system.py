"""The four services in this process, on a bus that a journey may lend them, beside stand-ins that stay."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from chassis.process import run
from messaging.bus import Bus
from services.__main__ import opened
from tests.journeys.around import Around
from tests.journeys.caller import SECRET, Caller
from tests.source import ROOT


@dataclass(frozen=True)
class System:
    """Whoever calls it does so over HTTP."""

    client: httpx.AsyncClient
    around: Around

    def caller(self, username: str, scope: str = "") -> Caller:
        return Caller(self.client, username, scope)


def variables(around: Around, var: Path, **more: str) -> dict[str, str]:
    """What the system is told in every journey, by variable name."""
    known = {
        "VAR_DIR": str(var),
        "BUS_URL": "memory:",
        "BLOBS_URL": f"file:{var / 'blobs'}",
        "WORKFLOWS_DIR": str(ROOT / "workflows"),
        "JWT_SECRET": SECRET,
        "PORT": "0",
        "POLL_SECONDS": "0.2",
        "RETRY_SECONDS": "0.1",
        "RESEND_AT_START": "true",
        "DRAIN_SECONDS": "0",
    }
    return known | around.where.urls() | more


@asynccontextmanager
async def running(bus: Bus, around: Around, var: Path, **more: str) -> AsyncIterator[System]:
    """Serves while the block lasts; a service that fails ends the block with its error."""
    stop, url = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with opened(bus, variables(around, var, **more), var) as services:
        task = asyncio.ensure_future(run(services, bus, "127.0.0.1", 0, stop, url.set_result))
        try:
            await asyncio.wait([task, url], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            async with httpx.AsyncClient(base_url=url.result(), timeout=20) as client:
                yield System(client, around)
        finally:
            stop.set()
            await task
