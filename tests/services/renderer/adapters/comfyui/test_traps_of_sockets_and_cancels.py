"""Sockets, cancels and ids of ComfyUI servers: the other traps of `test_traps.py`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from websockets.utils import accept_key

from contracts.commands import CancelBatch
from services.renderer.adapters.comfyui.address import read_address
from services.renderer.adapters.comfyui.client import Client
from services.renderer.adapters.comfyui.listener import PING, Listener
from services.renderer.adapters.places import Pace
from services.renderer.adapters.tables import jobs
from tests.services.renderer.backends import backend
from tests.services.renderer.books import opened
from tests.services.renderer.requests import card, reserved
from tests.services.renderer.stage import stage

OLD = "0.3.64"
VERSIONS = pytest.mark.parametrize("version", [OLD, "0.33.0"])
PORTRAIT: dict[str, Any] = {"workflow": "portrait", "parameters": {"steps": 4}}


async def test_trap_3_a_new_connection_has_a_new_client_id_and_hears_of_what_is_sent_under_it(
    tmp_path: Path,
) -> None:
    async with backend(tmp_path / "a") as one:
        listener = Listener(read_address(one.renderer_url, Pace(1)))
        task = asyncio.create_task(listener.run())
        first = await _connected(listener, listener.client_id)
        await one.restart()
        second = await _connected(listener, first)
        job = str(uuid4())
        with listener.watching(job) as told:
            await one.submit(card("ours"), prompt_id=job, client_id=second)
            async with asyncio.timeout(10):
                while not await told.wait(5):
                    assert told.heard
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _connected(listener: Listener, before: str) -> str:
    async with asyncio.timeout(10):
        while listener.client_id == before:  # noqa: ASYNC110 - it tells no one
            await asyncio.sleep(0.02)
    return listener.client_id


@pytest.mark.parametrize("version", [OLD, "0.10.0", "0.33.0"])
async def test_trap_9_what_runs_at_a_cancel_is_stopped_where_that_hits_nobody_else_and_never_appears(
    tmp_path: Path, version: str
) -> None:
    """0.3.64 can stop a running prompt only by stopping whatever runs: there it ends unheard."""
    slow: dict[str, Any] = {"workflow": "portrait", "parameters": {"steps": 20}}
    async with (
        backend(tmp_path / "a", render_seconds=3.0, comfyui_version=version) as one,
        stage(tmp_path, one.renderer_url) as heard,
    ):
        await heard.bus.publish(reserved(quantity=3, **slow))
        await heard.until(lambda: any(each.stage == "running" for each in heard.progress))
        await heard.bus.publish(CancelBatch(batch_id="b1"))
        await heard.ended(3)
        await one.idle()
        assert set(heard.ends().values()) == {"cancelled"}
        assert heard.ready == []
        assert (await one.stats())["interrupts"] == (0 if version == OLD else 1)


async def test_trap_10_what_somebody_else_interrupted_is_rendered_again(tmp_path: Path) -> None:
    async with backend(tmp_path / "a", render_seconds=1.0) as one, stage(tmp_path, one.renderer_url) as heard:
        await heard.bus.publish(reserved(workflow="portrait", parameters={"steps": 20}))
        await heard.until(lambda: any(each.stage == "running" for each in heard.progress))
        (await one.http.post("/interrupt")).raise_for_status()
        await heard.ended(1)
        assert heard.ends() == {(0, 1): "done"}
        assert (await one.stats())["accepted"] == 2


@VERSIONS
async def test_trap_17_the_id_is_a_canonical_uuid_and_in_the_book_before_it_is_sent(
    tmp_path: Path, version: str
) -> None:
    async with backend(tmp_path / "a", comfyui_version=version) as one:
        await one.fault("stall", seconds=30, times=None)
        async with stage(tmp_path, one.renderer_url) as heard:
            await heard.bus.publish(reserved())
            await one.taken(1)
            running = (await one.http.get("/queue")).json()["queue_running"]
            url = f"sqlite+aiosqlite:///{tmp_path}/renderer.db"
            async with opened(url) as book, book.database.read() as connection:
                (kept,) = (await connection.execute(select(jobs.c.remote_id))).scalars()
            await heard.bus.publish(CancelBatch(batch_id="b1"))
            await heard.ended(1)
    assert [prompt[1] for prompt in running] == [kept]
    assert kept == str(UUID(kept))


async def test_http_and_socket_carry_the_same_login_and_a_name_of_our_own() -> None:
    """A server that writes down what it is asked, and hears pings: a proxy drops sockets that are idle."""
    async with _recorder() as (port, requests, pinged):
        address = read_address(
            f"comfyui+http://127.0.0.1:{port}/comfy?token=t1&header.X-Key=k1&bearer=b1", Pace(1)
        )
        client, listener = Client(address), Listener(address, ping=0.05)
        task = asyncio.create_task(listener.run())
        async with asyncio.timeout(10):
            await pinged.wait()
            assert (await client.json("GET", "/queue"))[0] == 200
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()
    assert len(requests) == 2
    for line, headers in requests:
        assert line.startswith(("GET /comfy/ws?token=t1&clientId=", "GET /comfy/queue?token=t1 "))
        assert headers["user-agent"] == "Darkroom/1 (+image renderer)"
        assert headers["authorization"] == "Bearer b1"
        assert headers["x-key"] == "k1"


def test_sockets_are_pinged_before_a_proxy_takes_them_for_idle() -> None:
    assert 20 <= PING <= 30


@asynccontextmanager
async def _recorder() -> AsyncIterator[tuple[int, list[tuple[str, dict[str, str]]], asyncio.Event]]:
    requests: list[tuple[str, dict[str, str]]] = []
    pinged = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): text for name, _, text in (line.partition(": ") for line in head[1:] if line)
        }
        requests.append((head[0], headers))
        if "sec-websocket-key" not in headers:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        else:
            accept = accept_key(headers["sec-websocket-key"]).encode()
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            ping = 0x89
            if (await reader.readexactly(1))[0] == ping:
                pinged.set()
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], requests, pinged
