"""Somebody who follows all that is his, at whichever gateway wants him, and misses nothing on the way."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import httpx

from tests.distributed.processes import Replica
from tests.journeys.caller import Caller

#: Seconds between two tries to find a gateway that wants him.
LOOK = 0.1


class Follower:
    """A stream that does not end in good order fails `follow`, which has no end of its own."""

    def __init__(self, username: str, gateways: Sequence[Replica]) -> None:
        self._username = username
        self._gateways = gateways
        self._last: str | None = None
        #: Whatever has ended well, as (batch, ordinal).
        self.made: set[tuple[str, int]] = set()
        #: How often he was told everything anew, and how often that a process stops.
        self.begun, self.sent_off = 0, 0

    async def follow(self) -> None:
        async with httpx.AsyncClient(timeout=httpx.Timeout(10, read=60)) as client:
            while True:
                for gateway in self._gateways:
                    with suppress(httpx.ConnectError):
                        await self._stay(gateway, client)
                await asyncio.sleep(LOOK)

    async def _stay(self, gateway: Replica, client: httpx.AsyncClient) -> None:
        """At this one, if it wants somebody, to the end of its stream."""
        if await gateway.troubles(client) != {}:
            return
        resuming = {"Last-Event-ID": self._last} if self._last else {}
        async with Caller(client, self._username).stream(f"{gateway.url}/v1/events", **resuming) as answer:
            assert answer.is_success, answer.status_code
            name = ""
            async for line in answer.aiter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    self._hear(name, json.loads(value))
                elif field == "id":
                    self._last = value

    def _hear(self, name: str, said: dict[str, Any]) -> None:
        if name == "batches":
            self.begun += 1
        elif name == "closing":
            assert said["reason"] == "stopping", said
            self.sent_off += 1
        elif name == "output" and said["status"] == "succeeded":
            self.made.add((said["batch_id"], said["ordinal"]))
