"""A stream over a real connection, to clients who read and to those who do not."""

import asyncio
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.web import serving
from services.gateway.adapters.http import event_response
from services.gateway.adapters.http.event_response import EventResponse
from services.gateway.adapters.http.frames import Frame

QUESTION = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Told:
    """Says big things for ever, and knows whether the place was left."""

    def __init__(self) -> None:
        self.said = 0
        self.left = asyncio.Event()

    async def frames(self) -> AsyncIterator[Frame]:
        while True:
            self.said += 1
            yield Frame(None, None, b": %s\n\n" % (b"x" * 300_000))

    def app(self) -> ASGIApp:
        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            await EventResponse(self.frames(), math.inf, self.left.set)(scope, receive, send)

        return served


@asynccontextmanager
async def silent_client(url: str) -> AsyncIterator[socket.socket]:
    """Has asked, and reads nothing by itself."""
    address = urlsplit(url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (address.hostname, address.port))
        await loop.sock_sendall(connection, QUESTION)
        yield connection


async def rest(connection: socket.socket) -> bytes:
    loop, last = asyncio.get_running_loop(), b""
    while part := await loop.sock_recv(connection, 1 << 20):
        last = (last + part)[-1000:]
    return last


async def test_who_never_reads_loses_his_place_and_reads_at_last_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_response, "SLOW", 0.3)
    told = Told()
    async with (
        asyncio.timeout(30),
        serving(told.app(), "127.0.0.1", 0) as url,
        silent_client(url) as connection,
    ):
        await told.left.wait()
        said = told.said
        end = await rest(connection)
    assert told.said == said
    assert b"event: closing" in end
    assert b'"reason":"too_slow"' in end
    assert end.endswith(b"\r\n0\r\n\r\n")


async def test_who_never_reads_at_all_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_response, "SLOW", 0.1)
    monkeypatch.setattr(event_response, "FAREWELL", 0.1)
    told, ended = Told(), asyncio.Event()

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        await told.app()(scope, receive, send)
        ended.set()

    async with asyncio.timeout(30), serving(watched, "127.0.0.1", 0) as url, silent_client(url):
        await ended.wait()
        assert told.left.is_set()


async def test_who_hangs_up_leaves_his_place_at_once() -> None:
    told = Told()
    async with asyncio.timeout(30), serving(told.app(), "127.0.0.1", 0) as url:
        async with silent_client(url) as connection:
            await asyncio.get_running_loop().sock_recv(connection, 100)
        await told.left.wait()


async def test_nothing_is_made_before_what_was_said_is_taken() -> None:
    told = Told()
    async with asyncio.timeout(30), serving(told.app(), "127.0.0.1", 0) as url, silent_client(url):
        said = -1
        while said != told.said:
            said = told.said
            await asyncio.sleep(0.3)
        assert 0 < said < 100
