"""Streams are many, but bounded; they end with the process, and cost nothing once nobody listens."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest

from services.gateway.adapters.http import event_response
from services.gateway.adapters.http.streams import OPEN
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.tokens import LEEWAY
from tests.services.gateway.events import reserved, stored
from tests.services.gateway.http.door import Door, bearer, opened, token
from tests.services.gateway.http.listener import Listener, listening

EVENTS = "/v1/batches/b1/events"


def question() -> bytes:
    head = f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token()}"
    return f"{head}\r\n\r\n".encode()


def open_streams() -> float:
    """As operators see it."""
    (metric,) = OPEN.collect()
    return metric.samples[0].value


def closed(reason: str) -> float:
    """How many were closed early, as operators see it."""
    return sum(
        sample.value
        for metric in event_response.CLOSED.collect()
        for sample in metric.samples
        if sample.labels.get("reason") == reason and sample.name.endswith("_total")
    )


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  nobody rings when the last stream has gone
            await asyncio.sleep(0.01)


@dataclass
class Client:
    """A connection that has asked for the stream of one batch of Areg's."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def rest(self) -> str:
        """What comes until the gateway closes the stream."""
        async with asyncio.timeout(60):
            return (await self.reader.read()).decode()


async def client(door: Door) -> Client:
    address = urlsplit(door.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(question())
    assert b" 200 " in await reader.readline()
    return Client(reader, writer)


@asynccontextmanager
async def many(door: Door, count: int) -> AsyncIterator[list[Client]]:
    """Open streams, each on a connection of its own."""
    clients = [await client(door) for _ in range(count)]
    try:
        yield clients
    finally:
        for each in clients:
            each.writer.close()
            with suppress(ConnectionError):
                await each.writer.wait_closed()


async def test_two_hundred_streams_are_told_the_same(tmp_path: Path) -> None:
    async with opened(tmp_path, EVENT_STREAMS_PER_USER="500") as door:
        await door.peer.says(reserved())
        async with many(door, 200) as clients:
            assert open_streams() == 200
            await door.peer.says(stored(0), stored(1))
            texts = await asyncio.gather(*(each.rest() for each in clients))
        assert {text.count("event: output") for text in texts} == {2}
        assert {text.count("event: completed") for text in texts} == {1}
        await eventually(lambda: open_streams() == 0)


async def test_a_user_has_so_many_streams_and_no_more(tmp_path: Path) -> None:
    async with opened(tmp_path, EVENT_STREAMS_PER_USER="2") as door:
        await door.peer.says(reserved())
        async with many(door, 2):
            refused = await door.areg.get(EVENTS)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
            assert refused.headers["Retry-After"] == "10"
            # His places are his own.
            theirs = reserved("b2", username="Nare")
            await door.peer.says(theirs)
            async with listening(door, "b2", username="Nare") as stream:
                assert (await stream.next()).name == "status"
        await eventually(lambda: open_streams() == 0)
        async with listening(door, "b1") as stream:
            assert (await stream.next()).name == "status"


async def test_a_process_has_so_many_streams_and_no_more(tmp_path: Path) -> None:
    async with opened(tmp_path, EVENT_STREAMS="2") as door:
        await door.peer.says(reserved(), reserved("b2", username="Nare"))
        async with many(door, 2):
            refused = await door.by("Nare").get("/v1/batches/b2/events")
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
            assert "Retry-After" in refused.headers


async def test_a_stream_that_is_refused_or_not_there_takes_no_place(tmp_path: Path) -> None:
    async with opened(tmp_path, EVENT_STREAMS_PER_USER="1") as door:
        await door.peer.says(reserved(), stored(0), stored(1))
        for _ in range(3):
            assert (await door.areg.get("/v1/batches/bat_0/events")).status_code == 404
            told = await door.areg.get(EVENTS)
            assert told.status_code == 200
            end = told.text.rpartition("id: ")[2].strip()
            assert (await door.areg.get(EVENTS, headers={"Last-Event-ID": end})).status_code == 204


async def test_streams_end_when_the_process_stops(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        await door.peer.says(reserved())
        async with many(door, 20) as clients:
            began = monotonic()
            door.stop.set()
            texts = await asyncio.gather(*(each.rest() for each in clients))
            # The last chunk, an empty one: the end of a stream, not of a connection.
            assert all(text.endswith("\r\n0\r\n\r\n") for text in texts)
            assert all('"reason":"stopping"' in text for text in texts)
            assert monotonic() - began < 5


async def test_whoever_hangs_up_is_forgotten(door: Door) -> None:
    await door.peer.says(reserved())
    for _ in range(3):
        async with many(door, 5):
            assert open_streams() == 5
        await eventually(lambda: open_streams() == 0)
    # Also of the places nothing is left behind.
    async with many(door, 100):
        assert open_streams() == 100


async def test_a_stream_ends_with_the_token_that_opened_it(door: Door) -> None:
    await door.peer.says(reserved())
    before = closed("token_expired")
    # Clocks may disagree by LEEWAY; of that a few seconds are left.
    ends = time.time() - LEEWAY + 4
    headers = bearer(token(exp=ends))
    async with door.by("nobody").stream("GET", EVENTS, headers=headers) as response:
        assert response.status_code == 200
        told = await Listener(response).rest()
    assert time.time() >= ends + LEEWAY
    assert [event.name for event in told] == ["status", "closing"]
    assert (told[-1].data["reason"], told[-1].id) == ("token_expired", None)
    assert closed("token_expired") == before + 1
    assert (await door.by("nobody").get(EVENTS, headers=headers)).status_code == 401
    await eventually(lambda: open_streams() == 0)


async def test_what_everybody_sees_is_read_once_for_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()

    def counted(name: str) -> None:
        real = getattr(SqlBatches, name)

        async def counting(self: SqlBatches, *args: Any) -> Any:
            asked[name] += 1
            return await real(self, *args)

        monkeypatch.setattr(SqlBatches, name, counting)

    async with opened(tmp_path, EVENT_STREAMS_PER_USER="500") as door:
        await door.peer.says(reserved(quantity=20))
        async with many(door, 200) as clients:
            counted("glance")
            counted("find")
            for ordinal in range(20):
                await door.peer.says(stored(ordinal))
            texts = await asyncio.gather(*(each.rest() for each in clients))
        assert {text.count("event: output") for text in texts} == {20}
        # A look for each image at the most, a few for whoever was a moment late, and the end.
        assert asked["glance"] <= 60
        assert asked["find"] <= 20


async def test_a_client_who_does_not_read_slows_nobody_and_is_told_the_truth_at_last(door: Door) -> None:
    quantity = 100
    await door.peer.says(reserved(quantity=quantity))
    async with slow(door) as reader:
        async with listening(door, "b1") as stream:
            await stream.next()
            await door.peer.says(*(stored(ordinal) for ordinal in range(quantity)))
            outputs = [each.data["ordinal"] for each in await stream.rest() if each.name == "output"]
        assert sorted(outputs) == list(range(quantity))
        async with asyncio.timeout(30):
            heard = (await reader.read()).decode()
    assert heard.count("event: completed") == 1
    assert heard.count("event: output") == quantity


@asynccontextmanager
async def slow(door: Door) -> AsyncIterator[asyncio.StreamReader]:
    """Has asked for the stream, and takes next to nothing of it until it is read."""
    address = urlsplit(door.url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (address.hostname, address.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    writer.write(question())
    await eventually(lambda: open_streams() == 1)
    try:
        yield reader
    finally:
        writer.close()
        await writer.wait_closed()
