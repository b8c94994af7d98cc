"""A client of event streams, and what a program knows that believes them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.services.gateway.http.door import Door


@dataclass(frozen=True)
class Event:
    name: str
    data: dict[str, Any]
    id: str | None


def _event(lines: Sequence[str]) -> Event | None:
    fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
    if "data" not in fields:
        return None
    return Event(fields["event"], json.loads(fields["data"]), fields.get("id"))


def read_all(text: str) -> list[Event]:
    """The events of a whole stream."""
    told = [_event(block.split("\n")) for block in text.split("\n\n") if block]
    return [event for event in told if event]


class Listener:
    """Reads one stream, slower or faster, and remembers all of it."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.raw: list[str] = []
        self.heard: list[Event] = []
        self._lines = response.aiter_lines()

    async def next(self) -> Event:
        """Raises EOFError at the end of the stream."""
        lines: list[str] = []
        while True:
            if line := await self.line():
                lines.append(line)
            elif event := _event(lines):
                self.heard.append(event)
                return event
            else:
                lines = []

    async def line(self) -> str:
        """Raises EOFError at the end of the stream."""
        async with asyncio.timeout(20):
            async for line in self._lines:
                self.raw.append(line)
                return line
        raise EOFError

    async def until(self, name: str) -> Event:
        while (event := await self.next()).name != name:
            pass
        return event

    async def rest(self) -> list[Event]:
        """What comes until the stream is closed."""
        told: list[Event] = []
        try:
            while True:
                told.append(await self.next())
        except EOFError:
            return told


@asynccontextmanager
async def listening(
    door: Door, batch_id: str, last: str | None = None, username: str = "Areg"
) -> AsyncIterator[Listener]:
    headers = {} if last is None else {"Last-Event-ID": last}
    async with door.by(username).stream("GET", f"/v1/batches/{batch_id}/events", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Listener(response)


def believed(events: Iterable[Event], known: dict[str, Any] | None = None) -> dict[str, Any]:
    """The batch as a program knows it that merged every event into what it knew."""
    batch = {**known} if known else {}
    for event in events:
        if event.name in ("status", "completed"):
            batch |= event.data
        if event.name == "output":
            others = [image for image in batch["images"] if image["ordinal"] != event.data["ordinal"]]
            batch["images"] = sorted([*others, event.data], key=lambda image: int(image["ordinal"]))
    return batch
