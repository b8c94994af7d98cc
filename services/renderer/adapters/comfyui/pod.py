"""One ComfyUI server as a Renderer."""

import asyncio
import time
from contextlib import AbstractContextManager

from services.renderer.adapters.comfyui.address import Address
from services.renderer.adapters.comfyui.answers import (
    refusal,
    seen_in_history,
    seen_in_job,
    seen_in_queue,
)
from services.renderer.adapters.comfyui.client import Client
from services.renderer.adapters.comfyui.listener import JobWatch, Listener
from services.renderer.domain.remote import File, Finished, Lost, Queued, Seen
from services.renderer.domain.troubles import Passing, Unreachable
from services.renderer.domain.workflows import Graph


class Pod:
    """`stagger`: least seconds between two submits."""

    def __init__(self, address: Address, stagger: float) -> None:
        self.embeddings: frozenset[str] = frozenset()
        self._address = address
        self._client = Client(address)
        self._listener = Listener(address)
        self._stagger = stagger
        self._submitting = asyncio.Lock()
        self._next_submit = 0.0
        #: Whether the server has `/api/jobs` (0.6.0); None until it was asked.
        self._has_jobs: bool | None = None

    @property
    def name(self) -> str:
        return self._address.name

    @property
    def load(self) -> int:
        return self._listener.jobs

    async def listen(self) -> None:
        await self._listener.run()

    async def close(self) -> None:
        await self._client.close()

    def watching(self, remote_id: str) -> AbstractContextManager[JobWatch]:
        return self._listener.watching(remote_id)

    async def probe(self) -> None:
        """Whether the server can render, and what it offers. Raises Unreachable."""
        status, stats = await self._client.json("GET", "/system_stats")
        if status != 200 or not isinstance(stats, dict) or "system" not in stats:
            raise Unreachable(f"no ComfyUI answers there (HTTP {status})")
        # Asked anew each time: whatever restarted may have become another version.
        self._has_jobs = (await self._client.json("GET", "/api/jobs?limit=1"))[0] == 200
        _, names = await self._client.json("GET", "/embeddings")
        self.embeddings = frozenset(name for name in names or () if isinstance(name, str))

    async def submit(self, remote_id: str, graph: Graph) -> None:
        async with self._submitting:
            await asyncio.sleep(max(0.0, self._next_submit - time.monotonic()))
            self._next_submit = time.monotonic() + self._stagger
        self._listener.expect(remote_id)
        body = {"prompt": graph, "prompt_id": remote_id, "client_id": self._listener.client_id}
        status, answer = await self._client.json("POST", "/prompt", body)
        if status in (404, 405) or not isinstance(answer, dict):
            raise Unreachable(f"no ComfyUI answers there (HTTP {status})")
        if status != 200:
            raise refusal(answer)
        if answer.get("node_errors"):
            # Accepted with a part of its outputs: it would run, and give less than was asked for.
            await self.cancel(remote_id)
            raise refusal(answer)

    async def look(self, remote_id: str, output: str) -> Seen:
        has_jobs = self._has_jobs if self._has_jobs is not None else await self._learn()
        ask = self._ask_jobs if has_jobs else self._ask_history
        seen = await ask(remote_id, output)
        if isinstance(seen, Lost):
            # History and queue are read one after the other: a job that ends in between is in neither.
            seen = await ask(remote_id, output)
        if isinstance(seen, Finished):
            self._listener.check(remote_id)
        return seen

    async def find(self, file: File) -> bool:
        return await self._client.has_file(_view(file))

    async def fetch(self, file: File) -> bytes:
        data = await self._client.file(_view(file))
        if data is None:
            raise Passing("file_missing", "the backend made the image but no longer has its file")
        return data

    async def cancel(self, remote_id: str) -> None:
        status, _ = await self._client.json("POST", f"/api/jobs/{remote_id}/cancel")
        if status in (404, 405):
            await self._client.json("POST", "/queue", {"delete": [remote_id]})
            # Servers that have /api/jobs know the id here; older ones would interrupt whatever runs.
            if self._has_jobs:
                await self._client.json("POST", "/interrupt", {"prompt_id": remote_id})

    async def _learn(self) -> bool:
        await self.probe()
        return bool(self._has_jobs)

    async def _ask_jobs(self, remote_id: str, output: str) -> Seen:
        status, job = await self._client.json("GET", f"/api/jobs/{remote_id}")
        if status == 404:
            return Lost()
        return seen_in_job(job, output) if isinstance(job, dict) else Queued()

    async def _ask_history(self, remote_id: str, output: str) -> Seen:
        """The queue first: what leaves it is in the history by then."""
        _, queue = await self._client.json("GET", "/queue")
        seen = seen_in_queue(queue if isinstance(queue, dict) else {}, remote_id)
        return seen if not isinstance(seen, Lost) else await self._past(remote_id, output) or seen

    async def _past(self, remote_id: str, output: str) -> Finished | None:
        _, history = await self._client.json("GET", f"/history/{remote_id}")
        return seen_in_history(history if isinstance(history, dict) else {}, remote_id, output)


def _view(file: File) -> dict[str, str]:
    return {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
