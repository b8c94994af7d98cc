"""A running stand-in with a client that speaks to one of its endpoints, for the tests beside this file."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.runpod import Settings, runpod
from sandbox.serving import serve

Json = dict[str, Any]
T = TypeVar("T")


async def eventually(ask: Callable[[], Awaitable[T]]) -> T:
    """The first answer that is true."""
    async with asyncio.timeout(10):
        while not (answer := await ask()):  # noqa: ASYNC110 - the other side of a wire has no event to await
            await asyncio.sleep(0.005)
    return answer


@dataclass(frozen=True)
class Cloud:
    """One endpoint of a running stand-in; `http` brings the key and begins at the endpoint."""

    origin: str
    http: httpx.AsyncClient

    async def post(self, path: str, body: object = None, **query: Any) -> httpx.Response:
        return await self.http.post(path, json=body, params=query)

    async def run(self, graph: Json | None, beside: Json | None = None, **more: Any) -> str:
        """The id of an accepted job."""
        answer = await self.post("/run", {"input": {"workflow": graph, **(beside or {})}, **more})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    async def status(self, job_id: str) -> Json:
        answer = await self.http.get(f"/status/{job_id}")
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        return told

    async def reaches(self, job_id: str, *states: str) -> Json:
        """The job's status as soon as it is one of these."""

        async def there() -> Json | None:
            told = await self.status(job_id)
            return told if told["status"] in states else None

        found = await eventually(there)
        assert found is not None
        return found

    async def ended(self, job_id: str) -> Json:
        return await self.reaches(job_id, "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")

    async def ran(self, graph: Json | None, **more: Any) -> Json:
        return await self.ended(await self.run(graph, **more))

    async def gone(self, job_id: str) -> None:
        """Returns once the job is not known any more."""

        async def missing() -> bool:
            return (await self.http.get(f"/status/{job_id}")).status_code == 404

        await eventually(missing)

    async def health(self) -> Json:
        told: Json = (await self.http.get("/health")).json()
        return told

    async def fault(self, kind: str, **rule: Any) -> None:
        answer = await self.post("/sandbox/faults", {"kind": kind, **rule})
        assert answer.status_code == 200, answer.text

    async def stats(self) -> Json:
        told: Json = (await self.http.get("/sandbox/stats")).json()
        return told


@asynccontextmanager
async def running(settings: Settings, endpoint: str | None = None) -> AsyncIterator[Cloud]:
    async with serve(runpod(settings)) as origin:
        headers = {"authorization": f"Bearer {settings.api_key.get_secret_value()}"}
        base = f"{origin}/v2/{endpoint or settings.endpoints[0]}"
        async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as http:
            yield Cloud(origin, http)


@dataclass
class Listener:
    """A client's webhook: what it was told, and with which statuses it answers before it says 200."""

    url: str = ""
    told: list[Json] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)

    async def heard(self, count: int) -> list[Json]:
        async def enough() -> bool:
            return len(self.told) >= count

        await eventually(enough)
        return self.told


@asynccontextmanager
async def listening(*refusals: int) -> AsyncIterator[Listener]:
    listener = Listener(refusals=list(refusals))

    async def hook(request: Request) -> Response:
        listener.told.append(json.loads(await request.body()))
        return Response(status_code=listener.refusals.pop(0) if listener.refusals else 200)

    async with serve(Starlette(routes=[Route("/hook", hook, methods=["POST"])])) as url:
        listener.url = f"{url}/hook"
        yield listener


def decoded(image: Json) -> bytes:
    return base64.b64decode(image["data"], validate=True)
