"""A way to PostgreSQL on which the server is heard to end right after it has let the first caller in."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

# Messages: https://www.postgresql.org/docs/current/protocol-message-formats.html
READY = b"Z\0\0\0\x05I"
_FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
FAREWELL = b"E" + struct.pack(">I", 4 + len(_FIELDS)) + _FIELDS


@asynccontextmanager
async def server_that_bids_farewell(url: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """The URL of that way, and what was said last to each who called."""
    there, calls, pipes = urlsplit(url), list[bytes](), set[asyncio.Task[None]]()
    writers = list[asyncio.StreamWriter]()

    async def call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, onward = await asyncio.open_connection(there.hostname, there.port)
        last = READY if calls else READY + FAREWELL
        calls.append(last)
        writers.extend((onward, writer))
        pipes.add(asyncio.create_task(_pipe(reader, onward, b"")))
        pipes.add(asyncio.create_task(_pipe(answers, writer, last)))

    server = await asyncio.start_server(call, "127.0.0.1", 0)
    try:
        yield url.replace(f":{there.port}/", f":{server.sockets[0].getsockname()[1]}/"), calls
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*pipes, return_exceptions=True)


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter, instead: bytes) -> None:
    """All that is said; `instead` stands where the first READY stood."""
    with suppress(OSError):
        while data := await source.read(65536):
            if instead and data.endswith(READY):
                data, instead = data.removesuffix(READY) + instead, b""
            sink.write(data)
            await sink.drain()
    sink.close()
    with suppress(OSError):
        await sink.wait_closed()
