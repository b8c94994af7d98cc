"""A large file comes from a backend whole, and is held once."""

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.renderer.adapters.comfyui.address import read_address
from services.renderer.adapters.comfyui.client import Client
from services.renderer.adapters.places import Pace
from services.renderer.domain.troubles import Unreachable

SIZE = 16_000_000
PIECE = 60_000


@asynccontextmanager
async def backend(data: bytes, *, claimed: int) -> AsyncIterator[Client]:
    """Answers everything with these bytes, and says that there are `claimed` of them."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {claimed}\r\n\r\n".encode())
        for start in range(0, len(data), PIECE):
            writer.write(data[start : start + PIECE])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"comfyui+http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = Client(read_address(url, Pace(1, 0.0)))
    try:
        yield client
    finally:
        await client.close()
        server.close()


async def test_a_file_is_held_once_while_it_is_fetched() -> None:
    data = os.urandom(SIZE)
    async with backend(data, claimed=SIZE) as client:
        tracemalloc.start()
        try:
            found = await client.file({"filename": "x.png"})
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert found == data
    assert most < 1.3 * SIZE


async def test_half_a_file_is_no_file() -> None:
    async with backend(b"half", claimed=8) as client:
        with pytest.raises(Unreachable, match="the connection broke"):
            await client.file({"filename": "x.png"})
