"""The server under every stand-in: real ports, no signal handlers, a prompt end."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from sandbox.serving import DidNotStart, Receive, Scope, Send, hang_up, serve


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def never(request: Request) -> PlainTextResponse:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


def small_app() -> Starlette:
    return Starlette(routes=[Route("/", hello), Route("/never", never), WebSocketRoute("/ws", echo)])


async def hanging_up(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await hang_up(scope, receive)


async def test_the_address_answers_while_the_block_lasts_and_refuses_after_it() -> None:
    async with serve(small_app()) as url, httpx.AsyncClient() as client:
        assert (await client.get(url)).text == "hello"
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_it_ends_quickly_with_an_open_socket_an_open_request_and_an_idle_connection() -> None:
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as tasks:
        async with serve(small_app()) as url:
            await client.get(url)
            waiting = tasks.create_task(_failure_of(client, f"{url}/never"))
            socket = await connect(url.replace("http", "ws") + "/ws")
            await socket.send("a")
            assert await socket.recv() == "a"
            before = time.perf_counter()
        assert time.perf_counter() - before < 1
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert isinstance(waiting.result(), httpx.TransportError)


async def _failure_of(client: httpx.AsyncClient, url: str) -> Exception:
    with pytest.raises(httpx.TransportError) as failure:
        await client.get(url)
    return failure.value


async def test_hanging_up_gives_the_client_no_answer_at_all() -> None:
    async with serve(hanging_up) as url, httpx.AsyncClient() as client:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await client.get(url)


async def test_signal_handlers_and_loggers_stay_as_they_were() -> None:
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "uvicorn.access", "uvicorn.asgi")]
    before = [(logger.level, logger.handlers[:], logger.propagate) for logger in loggers]
    handler = signal.getsignal(signal.SIGTERM)
    async with serve(small_app()):
        assert signal.getsignal(signal.SIGTERM) is handler
        assert [(logger.level, logger.handlers, logger.propagate) for logger in loggers] == before


async def test_the_application_runs_its_own_beginning_and_end() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        seen.append("begins")
        yield
        seen.append("ends")

    async with serve(Starlette(lifespan=lifespan)):
        assert seen == ["begins"]
    assert seen == ["begins", "ends"]


async def test_a_start_that_fails_is_told() -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if app.routes == []:
            raise ValueError("no disk")
        yield

    with pytest.raises(DidNotStart):
        async with serve(Starlette(lifespan=lifespan)):
            pass


async def test_a_taken_port_is_told() -> None:
    async with serve(small_app()) as url:
        with pytest.raises(OSError):
            async with serve(small_app(), port=int(url.rpartition(":")[2])):
                pass
