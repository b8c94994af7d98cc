"""ComfyUI stand-ins on real ports, and what tests ask of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from sandbox.comfyui import Settings, comfyui
from sandbox.serving import serve


@dataclass(frozen=True)
class Backend:
    """One stand-in."""

    url: str
    http: httpx.AsyncClient
    files: Path

    @property
    def renderer_url(self) -> str:
        return f"comfyui+{self.url}"

    @property
    def name(self) -> str:
        return self.url.removeprefix("http://")

    async def fault(self, kind: str, **rule: Any) -> None:
        (await self.http.post("/sandbox/faults", json={"kind": kind, **rule})).raise_for_status()

    async def heal(self) -> None:
        (await self.http.delete("/sandbox/faults")).raise_for_status()

    async def restart(self, down_seconds: float = 0.0) -> None:
        (await self.http.post("/sandbox/restart", json={"down_seconds": down_seconds})).raise_for_status()

    async def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get("/sandbox/stats")).json()
        return found

    async def timeline(self) -> list[dict[str, Any]]:
        """When each prompt was accepted, and when it ran, by the server's own clock."""
        found: list[dict[str, Any]] = (await self.http.get("/sandbox/timeline")).json()["entries"]
        return found

    async def executions(self) -> dict[str, int]:
        """Filename prefix -> renders that ran to their end."""
        found: dict[str, int] = (await self.stats())["executions"]
        return found

    async def taken(self, count: int) -> None:
        """Returns when it has accepted so many prompts."""
        async with asyncio.timeout(10):
            while (await self.stats())["accepted"] < count:  # noqa: ASYNC110 - it tells no one
                await asyncio.sleep(0.02)

    async def rendered(self, count: int) -> None:
        """Returns when it has rendered so many, whoever can reach it meanwhile."""
        async with asyncio.timeout(10):
            while sum((await self.executions()).values()) < count:  # noqa: ASYNC110 - it tells no one
                await asyncio.sleep(0.02)

    async def idle(self) -> None:
        """Returns when nothing waits or runs there."""
        async with asyncio.timeout(10):
            while (await self.http.get("/prompt")).json()["exec_info"]["queue_remaining"]:  # noqa: ASYNC110 - it tells no one
                await asyncio.sleep(0.02)

    async def submit(self, graph: dict[str, Any], **body: Any) -> str:
        """Somebody else's prompt."""
        prompt_id = str(uuid4())
        asked = {"prompt": graph, "prompt_id": prompt_id, "client_id": "somebody-else", **body}
        (await self.http.post("/prompt", json=asked)).raise_for_status()
        return prompt_id


@asynccontextmanager
async def backend(files: Path, port: int = 0, **settings: Any) -> AsyncIterator[Backend]:
    made = Settings(files=files, **settings)
    async with (
        serve(comfyui(made), port=port) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        yield Backend(url, http, files)


async def renders(*backends: Backend) -> list[int]:
    """How often each image was rendered, whichever backend did it."""
    counts: list[int] = []
    for one in backends:
        counts += (await one.executions()).values()
    return sorted(counts)
