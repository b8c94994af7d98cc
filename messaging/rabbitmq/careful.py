"""Messages whose outside the client library cannot read, made readable.

Texts in AMQP's frames need not be texts: the broker passes on whatever bytes a client wrote into a routing
key or a property. The library takes such a frame for a broken connection, the broker delivers the message
again, and nobody who shares the connection gets anything done until the broker's own limit of returns removes
it. So a link that lost its connection to such a frame reads the next ones with care: what cannot be read on
the outside of a message counts as missing, as everything there may, and its body is judged as usual.
"""

import asyncio
import struct
from typing import Any

from aiormq.connection import TransportFactory
from pamqp import constants
from pamqp.frame import unmarshal
from yarl import URL

from messaging.rabbitmq.cork import CorkedConnection

#: Class and method, as in the frames: what hands a message over.
_DELIVER, _GET_OK = (60, 60), (60, 71)
#: Class, weight and size of the body, ahead of a content header's properties.
_HEADER = 12
_END = bytes([constants.FRAME_END])


def readable(head: bytes, payload: bytes) -> bytes:
    """The payload of a frame with its end, as it came or in the same length so that it can be read. `head` is
    the frame's first seven bytes."""
    kind = head[0]
    if kind not in (constants.FRAME_METHOD, constants.FRAME_HEADER):
        return payload
    try:
        unmarshal(head + payload)
    except Exception:  # noqa: BLE001 - whatever it is, the library would give the connection up for it
        return _bare(payload) if kind == constants.FRAME_HEADER else _plain(payload)
    return payload


def _bare(payload: bytes) -> bytes:
    """A content header without any property; what stood there is not read."""
    return payload[:_HEADER].ljust(len(payload) - 1, b"\0") + _END


def _plain(payload: bytes) -> bytes:
    """A method that hands a message over, with question marks for what is not ASCII in its names."""
    method = struct.unpack_from(">HH", payload)
    if method == _DELIVER:
        # A consumer's tag, then the delivery's number and whether it comes again.
        exchange = 5 + payload[4] + 9
    elif method == _GET_OK:
        exchange = 4 + 9
    else:
        return payload
    key = exchange + 1 + payload[exchange]
    for start in (exchange + 1, key + 1):
        end = start + payload[start - 1]
        name = bytes(byte if byte < 128 else ord("?") for byte in payload[start:end])
        payload = payload[:start] + name + payload[end:]
    return payload


class CarefulReader:
    """As much of a StreamReader as the library uses, which reads each frame in three parts."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._head = b""

    def at_eof(self) -> bool:
        return self._reader.at_eof()

    async def read(self, size: int = -1) -> bytes:
        return await self._reader.read(size)

    async def readexactly(self, size: int) -> bytes:
        data = await self._reader.readexactly(size)
        if len(self._head) < constants.FRAME_HEADER_SIZE:
            self._head += data
            return data
        head, self._head = self._head, b""
        return readable(head, data)


class CarefulTransport(TransportFactory):
    def __init__(self, usual: TransportFactory) -> None:
        self._usual = usual

    async def create(self, url: URL, **options: Any) -> tuple[Any, asyncio.StreamWriter]:
        reader, writer = await self._usual.create(url, **options)
        return CarefulReader(reader), writer


class CarefulConnection(CorkedConnection):
    """A connection that is not lost to what somebody wrote on the outside of a message."""

    def __init__(self, url: URL, *arguments: Any, **options: Any) -> None:
        super().__init__(url, *arguments, **options)
        self.kwargs["transport_factory"] = CarefulTransport(self.kwargs["transport_factory"])
