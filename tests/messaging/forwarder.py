"""A wire to the broker that can be cut, and that may be laid before or after somebody calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from tests.nodes.machine import free_ports


class Forwarder:
    def __init__(self, url: str) -> None:
        self._there = urlsplit(url)
        (self._port,) = free_ports(1)
        self.url = url.replace(f":{self._there.port}", f":{self._port}")
        self.calls = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pipes: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[None]:
        await self.lay()
        try:
            yield
        finally:
            await self.remove()

    async def lay(self) -> None:
        self._server = await asyncio.start_server(self._call, "127.0.0.1", self._port)

    async def remove(self) -> None:
        """Nobody answers there any more."""
        if self._server:
            self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Every connection that goes through it is lost; new ones are let in."""
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        there, onward = await asyncio.open_connection(self._there.hostname, self._there.port)
        for source, sink in ((reader, onward), (there, writer)):
            self._writers.add(sink)
            pipe = asyncio.create_task(self._pipe(source, sink))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        self._writers.discard(sink)
        sink.close()
        with suppress(OSError):
            await sink.wait_closed()
