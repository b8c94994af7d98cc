"""A running stand-in with a client that speaks to it, for the tests beside this file."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect

from sandbox.comfyui import Settings, comfyui
from sandbox.serving import serve

Json = dict[str, Any]
T = TypeVar("T")


def empty_image(colour: int = 0, prefix: str = "batch/abc_image_1", **more: Any) -> Json:
    """The smallest graph that needs no model."""
    image = {"width": 64, "height": 64, "batch_size": 1, "color": colour, **more}
    return {
        "1": {"class_type": "EmptyImage", "inputs": image},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }


def portrait(
    seed: int = 1, prefix: str = "p/portrait", text: str = "a lantern in the fog", **more: Any
) -> Json:
    """Text to image with a checkpoint."""
    sampler = {
        "seed": seed,
        "steps": 20,
        "cfg": 7,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1,
    }
    links = {"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}
    checkpoint = {"ckpt_name": "sd_xl_base_1.0.safetensors"}
    return {
        "3": {"class_type": "KSampler", "inputs": {**sampler, **links, **more}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": checkpoint},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 96, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": prefix}},
    }


async def eventually(ask: Callable[[], Awaitable[T]]) -> T:
    """The first answer that is true."""
    async with asyncio.timeout(10):
        while not (answer := await ask()):  # noqa: ASYNC110 - the other side of a wire has no event to await
            await asyncio.sleep(0.005)
    return answer


@dataclass
class Server:
    """One running stand-in."""

    url: str
    http: httpx.AsyncClient
    sockets: list[ClientConnection] = field(default_factory=list)

    async def submit(self, graph: Json, client_id: str | None = "c1", **more: Any) -> str:
        body = {"prompt": graph, **({"client_id": client_id} if client_id else {}), **more}
        answer = await self.http.post("/prompt", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["prompt_id"])

    async def history(self, prompt_id: str) -> Json:
        """The entry, once it is there."""
        found = await eventually(lambda: self._told(f"/history/{prompt_id}"))
        entry: Json = found[prompt_id]
        return entry

    async def ran(self, graph: Json, **more: Any) -> Json:
        return await self.history(await self.submit(graph, **more))

    async def is_running(self, prompt_id: str) -> None:
        async def runs() -> bool:
            return prompt_id in [item[1] for item in (await self.queue())["queue_running"]]

        await eventually(runs)

    async def is_idle(self) -> None:
        async def idle() -> bool:
            return (await self._told("/prompt")) == {"exec_info": {"queue_remaining": 0}}

        await eventually(idle)

    async def _told(self, path: str) -> Json:
        told: Json = (await self.http.get(path)).json()
        return told

    async def queue(self) -> Json:
        queue: Json = (await self.http.get("/queue")).json()
        return queue

    async def view(self, image: Json) -> httpx.Response:
        return await self.http.get("/view", params=image)

    async def fault(self, **rule: Any) -> None:
        answer = await self.http.post("/sandbox/faults", json=rule)
        assert answer.status_code == 200, answer.text

    async def stats(self) -> Json:
        stats: Json = (await self.http.get("/sandbox/stats")).json()
        return stats

    async def listen(self, client_id: str = "c1", **more: Any) -> ClientConnection:
        address = f"{self.url.replace('http', 'ws')}/ws?clientId={client_id}"
        # Unread messages would otherwise pause the client's reading, and its closing with it.
        socket = await connect(address, max_queue=None, **more)
        self.sockets.append(socket)
        return socket


@asynccontextmanager
async def running(settings: Settings, **client: Any) -> AsyncIterator[Server]:
    async with serve(comfyui(settings)) as url, httpx.AsyncClient(base_url=url, **client) as http:
        server = Server(url, http)
        try:
            yield server
        finally:
            for socket in server.sockets:
                await socket.close()


async def message(socket: ClientConnection, seconds: float = 5) -> Json:
    async with asyncio.timeout(seconds):
        told: Json = json.loads(await socket.recv())
    return told


async def until_end(socket: ClientConnection) -> list[Json]:
    """All messages up to the one that says that nothing runs any more."""
    told = [await message(socket)]
    while not (told[-1]["type"] == "executing" and told[-1]["data"]["node"] is None):
        told.append(await message(socket))
    return told


def images(entry: Json, node: str = "9") -> list[Json]:
    found: list[Json] = entry["outputs"][node]["images"]
    return found


def new_id() -> str:
    return str(uuid4())
