"""One ComfyUI server as a Renderer."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from services.renderer.adapters.comfyui.address import Address, read_address
from services.renderer.adapters.comfyui.answers import (
    refusal,
    seen_in_history,
    seen_in_job,
    seen_in_queue,
)
from services.renderer.adapters.comfyui.client import Client
from services.renderer.adapters.comfyui.listener import Listener
from services.renderer.adapters.comfyui.survey import Machine, embeddings, inventory, machine
from services.renderer.adapters.comfyui.watch import PodWatch
from services.renderer.adapters.places import Pace, Place
from services.renderer.domain.equipment import Inventory
from services.renderer.domain.remote import Attached, File, Finished, Image, Lost, Queued, Remote, Seen
from services.renderer.domain.troubles import Passing, Unreachable
from services.renderer.domain.workflows import Graph

#: Seconds after which a server is asked again what it has: models come and go without a restart.
SURVEY = 30.0


def read_pod(url: str, usual: Pace, classes: frozenset[str]) -> Place:
    """From `comfyui+http(s)://…`; `usual` is the pace of a URL that says none, `classes` are the node classes
    that its server is asked about. Raises BadAddress."""
    address = read_address(url, usual)
    return Place(address.name, url, address.pace.depth, lambda: Pod(address, classes))


class Pod:
    def __init__(self, address: Address, classes: frozenset[str]) -> None:
        self.embeddings: frozenset[str] = frozenset()
        self.inventory: Inventory | None = None
        self.machines = 1
        #: What the server said of itself at the last probe.
        self.machine: Machine | None = None
        self._classes = classes
        self._surveyed = 0.0
        self._address = address
        self._client = Client(address)
        self._listener = Listener(address)
        self._stagger = address.pace.stagger
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

    def share(self, part: float) -> None:
        """A server counts no requests."""

    async def listen(self) -> None:
        await self._listener.run()

    async def close(self) -> None:
        await self._client.close()

    @property
    def about(self) -> str:
        return str(self.machine or "not asked yet")

    @property
    def ahead(self) -> int:
        return max(0, self.load - 1)

    @contextmanager
    def watching(self, remote: Remote, poll: float) -> Iterator[PodWatch]:
        with self._listener.watching(remote.key) as told:
            yield PodWatch(told, self.look, self._look_and_fetch, poll)

    async def probe(self) -> None:
        """Whether the server can render, and what it offers. Raises Unreachable."""
        before, self.machine = self.machine, None
        found = await machine(self._client)
        # Whatever restarted may have become another version; the rest of a probe is one call, because an idle
        # process makes one every few seconds for each server.
        if before is None or before.version != found.version or time.monotonic() >= self._surveyed + SURVEY:
            self._has_jobs = await self._knows_jobs()
            self.embeddings = await embeddings(self._client)
            self.inventory = await inventory(self._client, self._classes)
            self._surveyed = time.monotonic()
        self.machine = found

    async def submit(self, remote: Remote, graph: Graph) -> str:
        async with self._submitting:
            await asyncio.sleep(max(0.0, self._next_submit - time.monotonic()))
            self._next_submit = time.monotonic() + self._stagger
        self._listener.expect(remote.key)
        body = {"prompt": graph, "prompt_id": remote.key, "client_id": self._listener.client_id}
        status, answer = await self._client.json("POST", "/prompt", body)
        if status in (404, 405) or not isinstance(answer, dict):
            raise Unreachable(f"no ComfyUI answers there (HTTP {status})")
        if status != 200:
            raise refusal(answer)
        if answer.get("node_errors"):
            # Accepted with a part of its outputs: it would run, and give less than was asked for.
            await self.cancel(remote)
            raise refusal(answer)
        return str(answer.get("prompt_id") or remote.key)

    async def locate(self, remote: Remote) -> str | None:
        if isinstance(await self.look(remote), Lost):
            return None
        self._listener.recall(remote.key)
        return _id(remote)

    async def look(self, remote: Remote) -> Seen:
        """Where the job stands. One that the server forgot may have left its file: the name is this image's
        alone."""
        has_jobs = self._has_jobs if self._has_jobs is not None else await self._learn()
        ask = self._ask_jobs if has_jobs else self._ask_history
        seen = await ask(_id(remote), remote.output)
        if isinstance(seen, Lost):
            # History and queue are read one after the other: a job that ends in between is in neither.
            seen = await ask(_id(remote), remote.output)
        if isinstance(seen, Finished):
            self._listener.check(remote.key)
        if isinstance(seen, Lost) and await self._client.has_file(_view(remote.file)):
            return Finished(remote.file)
        return seen

    async def fetch(self, image: Image) -> bytes:
        if isinstance(image, Attached):
            return image.data
        data = await self._client.file(_view(image)) if isinstance(image, File) else None
        if data is None:
            raise Passing("file_missing", "the backend made the image but no longer has its file")
        return data

    async def cancel(self, remote: Remote) -> None:
        remote_id = _id(remote)
        status, _ = await self._client.json("POST", f"/api/jobs/{remote_id}/cancel")
        if status in (404, 405):
            await self._client.json("POST", "/queue", {"delete": [remote_id]})
            # Servers that have /api/jobs know the id here; older ones would interrupt whatever runs. Asked
            # now, because a server may have become an older one since it was probed.
            if await self._knows_jobs():
                await self._client.json("POST", "/interrupt", {"prompt_id": remote_id})

    async def _look_and_fetch(self, remote: Remote) -> Seen:
        """As `look`, for a job that is most likely done: its file is asked for at the same time, and comes
        along where the job's own word is that this is its image."""
        fetching = asyncio.ensure_future(self._client.file(_view(remote.file)))
        try:
            seen = await self.look(remote)
            if isinstance(seen, Finished) and seen.image == remote.file:
                with suppress(Unreachable):  # then it is fetched with patience
                    data = await fetching
                    return seen if data is None else replace(seen, image=Attached(data))
            return seen
        finally:
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)

    async def _knows_jobs(self) -> bool:
        return (await self._client.json("GET", "/api/jobs?limit=1"))[0] == 200

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


def _id(remote: Remote) -> str:
    """The server's own answer, should it have chosen another id than the one that it was given."""
    return remote.receipt or remote.key


def _view(file: File) -> dict[str, str]:
    return {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
