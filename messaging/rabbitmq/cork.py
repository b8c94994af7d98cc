"""A socket to the broker that sends once for all that is written at about the same time.

The client library writes every frame by itself, and asyncio then calls the system for each: no other
single call takes as much of a service's time.
"""

import asyncio
from typing import Any

import aio_pika
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL


class CorkedConnection(aio_pika.Connection):
    """The library's connection, over such a socket."""

    def __init__(self, url: URL, *arguments: Any, **options: Any) -> None:
        super().__init__(url, *arguments, **options)
        self.kwargs["transport_factory"] = _Corking()


class _Corking(TransportFactory):
    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        secure = url.scheme == "amqps"
        sockets: TransportFactory = TLSTransportFactory() if secure else TCPTransportFactory()
        reader, writer = await sockets.create(url, **options)
        return reader, _Corked(reader, writer)


class _Corked(asyncio.StreamWriter):
    """Holds what is written until the event loop has turned once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._loop = asyncio.get_running_loop()
        super().__init__(writer.transport, writer.transport.get_protocol(), reader, self._loop)
        # One that is forgotten closes its transport.
        self._first = writer
        self._held: list[bytes] = []

    def write(self, data: Any) -> None:
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)

    async def drain(self) -> None:
        self._flush()
        await super().drain()

    def write_eof(self) -> None:
        self._flush()
        super().write_eof()

    def close(self) -> None:
        self._flush()
        super().close()

    def _flush(self) -> None:
        held, self._held = self._held, []
        # What is written to a connection that is gone is lost on every loop, but some raise.
        if held and not self.transport.is_closing():
            super().write(b"".join(held))
