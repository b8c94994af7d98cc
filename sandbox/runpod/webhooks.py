"""Tells a client's webhook that its job has ended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx

#: One call and, where it was not answered with 200, up to two more.
_CALLS = 3


class Webhooks:
    """Unsigned, as RunPod's are. Calls that are under way at the end are given up."""

    def __init__(self, gap_seconds: float) -> None:
        self._gap = gap_seconds
        self._client: httpx.AsyncClient | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self.calls = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
            if self._client is not None:
                await self._client.aclose()

    def tell(self, url: str, told: Callable[[], Awaitable[bytes]], twice: bool) -> None:
        task = asyncio.create_task(self._deliver(url, told, twice))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _deliver(self, url: str, told: Callable[[], Awaitable[bytes]], twice: bool) -> None:
        body = await told()
        for call in range(_CALLS):
            if call:
                await asyncio.sleep(self._gap)
            if await self._called(url, body):
                break
        if twice:
            await self._called(url, body)

    async def _called(self, url: str, body: bytes) -> bool:
        # Made for the first webhook: most stand-ins call none, and a client reads a file of certificates.
        self._client = self._client or httpx.AsyncClient(trust_env=False, timeout=30)
        self.calls += 1
        try:
            answer = await self._client.post(url, content=body, headers={"content-type": "application/json"})
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        return answer.status_code == 200
