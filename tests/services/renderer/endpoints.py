"""RunPod stand-ins on real ports, and what tests ask of one endpoint."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from chassis.web import serving
from messaging.memory import MemoryBus
from sandbox.runpod import Settings, runpod
from sandbox.serving import serve
from services.renderer.app import open_renderer
from tests.services.renderer.stage import Stage, listening, settings, stage, working

KEY = "rpa_SANDBOX"


@dataclass(frozen=True)
class Serverless:
    """One endpoint `abc` of one account."""

    api_url: str
    http: httpx.AsyncClient

    url: str = "runpod://abc"
    name: str = "runpod:abc"

    @property
    def access(self) -> dict[str, Any]:
        """The settings that let a renderer in."""
        return {"runpod_api_url": self.api_url, "runpod_api_key": KEY}

    async def fault(self, kind: str, **rule: Any) -> None:
        (await self.http.post("/sandbox/faults", json={"kind": kind, **rule})).raise_for_status()

    async def heal(self) -> None:
        (await self.http.delete("/sandbox/faults")).raise_for_status()

    async def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get("/sandbox/stats")).json()
        return found

    async def timeline(self) -> list[dict[str, Any]]:
        """When each job was accepted, and when it ran, by RunPod's own clock."""
        found: list[dict[str, Any]] = (await self.http.get("/sandbox/timeline")).json()["entries"]
        return found

    async def accepted(self) -> int:
        """Jobs that it took, each of which is paid for."""
        return int((await self.stats())["accepted"])

    async def taken(self, count: int) -> None:
        """Returns when it has accepted so many jobs."""
        async with asyncio.timeout(10):
            while await self.accepted() < count:  # noqa: ASYNC110 - it tells no one
                await asyncio.sleep(0.02)

    async def asked(self, what: str, count: int) -> None:
        """Returns when it has been called for this so often."""
        async with asyncio.timeout(10):
            while (await self.stats())["calls"].get(what, 0) < count:  # noqa: ASYNC110 - it tells no one
                await asyncio.sleep(0.02)

    async def ended(self, state: str, count: int) -> None:
        """Returns when so many jobs have come to that state."""
        async with asyncio.timeout(10):
            while (await self.stats())["ended"].get(state, 0) < count:  # noqa: ASYNC110 - it tells no one
                await asyncio.sleep(0.02)


@asynccontextmanager
async def serverless(files: Path, **made: Any) -> AsyncIterator[Serverless]:
    app = runpod(Settings(files=files, endpoints=("abc",), **{"shortest_ttl_seconds": 0.1, **made}))
    async with serve(app) as url:
        base = f"{url}/v2"
        async with httpx.AsyncClient(base_url=f"{base}/abc", trust_env=False) as http:
            yield Serverless(base, http)


@asynccontextmanager
async def rendering(folder: Path, one: Serverless, *others: str, **changes: Any) -> AsyncIterator[Stage]:
    """A renderer over the endpoint and whatever else there is."""
    async with stage(folder, one.url, *others, **{**one.access, **changes}) as heard:
        yield heard


@asynccontextmanager
async def hooked(folder: Path, one: Serverless, port: int = 0, **changes: Any) -> AsyncIterator[Stage]:
    """A renderer that RunPod can call, at this port or any."""
    port = port or free_port()
    public = {"renderer_public_url": f"http://127.0.0.1:{port}"}
    bus, made = MemoryBus(), settings(folder, [one.url], **{**one.access, **public, **changes})
    async with (
        listening(bus) as heard,
        open_renderer(made, bus, "only") as service,
        serving(Starlette(routes=list(service.routes)), "127.0.0.1", port),
        working(service, bus),
    ):
        yield heard


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
