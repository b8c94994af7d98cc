"""A load balancer before the gateways, as small as one can be."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle

import httpx

from tests.distributed.processes import Replica

#: Seconds between two looks at whether a gateway wants work, and between two tries to reach any.
LOOK = 0.1
#: Seconds after which a call that reaches nobody has failed.
PATIENCE = 60.0

#: Nobody has taken the call: any load balancer offers it to the next gateway.
REFUSED = (httpx.ConnectError, httpx.ConnectTimeout)
#: Perhaps somebody has taken it: only who knows that it may be repeated asks again.
CUT_OFF = (httpx.TransportError,)


class Balancer(httpx.AsyncBaseTransport):
    """Offers each call to the gateways in turn that say at /ready that they want work. Goes on to the next
    where a call ends in one of the errors that it `forgives`; any other is the caller's."""

    def __init__(self, gateways: Sequence[Replica], forgives: tuple[type[httpx.TransportError], ...]) -> None:
        self._gateways = gateways
        self._turns = cycle(gateways)
        self._forgives = forgives
        self._wanting = {gateway.name for gateway in gateways}
        # Connections are kept: a gateway that stops asks for their end before it makes one.
        self._wire = httpx.AsyncHTTPTransport()
        self.answered = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async with asyncio.timeout(PATIENCE):
            while True:
                gateway = await self._next()
                try:
                    response = await self._wire.handle_async_request(_to(request, gateway))
                    await response.aread()
                except self._forgives:
                    await asyncio.sleep(LOOK)
                else:
                    self.answered += 1
                    return response

    async def watch(self, client: httpx.AsyncClient) -> None:
        """Keeps in mind which gateways want work."""
        while True:
            for gateway in self._gateways:
                wants = await gateway.troubles(client) == {}
                (self._wanting.add if wants else self._wanting.discard)(gateway.name)
            await asyncio.sleep(LOOK)

    async def aclose(self) -> None:
        await self._wire.aclose()

    async def _next(self) -> Replica:
        while True:
            for _ in self._gateways:
                if (gateway := next(self._turns)).name in self._wanting:
                    return gateway
            await asyncio.sleep(LOOK)


@asynccontextmanager
async def front_door(
    gateways: Sequence[Replica], forgives: tuple[type[httpx.TransportError], ...] = REFUSED
) -> AsyncIterator[tuple[httpx.AsyncClient, Balancer]]:
    """A client that talks to all of them as if they were one."""
    balancer = Balancer(gateways, forgives)
    async with (
        httpx.AsyncClient(timeout=5) as asking,
        httpx.AsyncClient(transport=balancer, base_url="http://gateways", timeout=30) as client,
    ):
        watching = asyncio.create_task(balancer.watch(asking))
        try:
            yield client, balancer
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def _to(request: httpx.Request, gateway: Replica) -> httpx.Request:
    there = httpx.URL(gateway.url)
    url = request.url.copy_with(host=there.host, port=there.port)
    return httpx.Request(
        request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
    )
