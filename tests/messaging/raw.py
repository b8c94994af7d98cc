"""A client of the broker that writes frames by itself, and so can say what no client library would."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from pamqp import commands, frame, header
from pamqp.body import ContentBody

#: Bytes of a body in one frame; the broker allows a little more.
PIECE = 120_000


@dataclass(frozen=True)
class Post:
    """One message. Of `swapped` the first stands in for the second, which no encoder would write."""

    exchange: str
    key: str
    body: bytes
    properties: dict[str, Any]
    swapped: Sequence[tuple[bytes, bytes]] = ()

    def frames(self) -> bytes:
        method = commands.Basic.Publish(exchange=self.exchange, routing_key=self.key)
        properties = commands.Basic.Properties(**self.properties)
        outside = frame.marshal(method, 1) + frame.marshal(
            header.ContentHeader(body_size=len(self.body), properties=properties), 1
        )
        for stand_in, meant in self.swapped:
            assert len(stand_in) == len(meant)
            outside = outside.replace(stand_in, meant)
        pieces = range(0, len(self.body), PIECE)
        return outside + b"".join(frame.marshal(ContentBody(self.body[at : at + PIECE]), 1) for at in pieces)


class RawClient:
    """Blocks; to be used in a thread."""

    def __init__(self, url: str) -> None:
        self._place = urlsplit(url)
        self._buffer = b""

    def __enter__(self) -> Self:
        self._socket = socket.create_connection((self._place.hostname, self._place.port), timeout=30)
        login = f"\0{unquote(self._place.username or '')}\0{unquote(self._place.password or '')}"
        self._socket.sendall(b"AMQP\0\0\x09\x01")
        self._next()
        self._say(commands.Connection.StartOk({}, "PLAIN", login, "en_US"), 0)
        self._next()
        self._say(commands.Connection.TuneOk(10, 131072, 0), 0)
        self._say(commands.Connection.Open(unquote(self._place.path[1:]) or "/"), 0)
        self._next()
        self._say(commands.Channel.Open(), 1)
        self._next()
        self._say(commands.Confirm.Select(), 1)
        self._next()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def publish(self, posts: Sequence[Post]) -> None:
        """Returns when the broker has confirmed them all."""
        for post in posts:
            self._socket.sendall(post.frames())
        confirmed: set[int] = set()
        while len(confirmed) < len(posts):
            answer = self._next()
            assert isinstance(answer, commands.Basic.Ack), answer
            first = 1 if answer.multiple else answer.delivery_tag
            confirmed |= set(range(first, answer.delivery_tag + 1))

    def _say(self, method: Any, channel: int) -> None:
        self._socket.sendall(frame.marshal(method, channel))

    def _next(self) -> Any:
        while True:
            if len(self._buffer) >= 7:
                size = int.from_bytes(self._buffer[3:7], "big") + 8
                if len(self._buffer) >= size:
                    _, _, found = frame.unmarshal(self._buffer[:size])
                    self._buffer = self._buffer[size:]
                    return found
            data = self._socket.recv(65536)
            assert data, "the broker closed the connection"
            self._buffer += data
