"""The WebSocket of one backend: hints that a job moved on, and its steps. Silence means nothing."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from services.renderer.adapters.comfyui.address import USER_AGENT, Address

log = structlog.get_logger("renderer")

#: Seconds. Proxies drop sockets that are idle for about 100 s, and the server never pings.
PING = 20.0
#: Seconds between two attempts to connect, doubled up to the longest.
REST, LONGEST_REST = 1.0, 30.0


class JobWatch:
    """What the socket said of one job."""

    def __init__(self) -> None:
        self.step = 0
        self.steps = 0
        self.running = False
        #: The client id under which it was sent, if that had a socket then.
        self.expected_by: str | None = None
        self.heard = False
        self._moved = False
        self._news = asyncio.Event()

    def tell(self, moved: bool) -> None:
        self._moved = self._moved or moved
        self._news.set()

    async def wait(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        moved, self._moved = self._moved, False
        self._news.clear()
        return moved


class Listener:
    """Jobs that are sent under `client_id` are heard of. `ping`: seconds between two pings.

    A new connection gets a new client id: under the old one, a socket that lingers at the server would take
    the new one's events along. Jobs sent before are then found by polling.
    """

    def __init__(self, address: Address, ping: float = PING) -> None:
        self.client_id = uuid4().hex
        self._address = address
        self._ping = ping
        self._watches: dict[str, JobWatch] = {}
        self._socket: ClientConnection | None = None

    @contextmanager
    def watching(self, remote_id: str) -> Iterator[JobWatch]:
        watch = self._watches[remote_id] = JobWatch()
        try:
            yield watch
        finally:
            del self._watches[remote_id]

    async def run(self) -> None:
        """Keeps one connection for ever."""
        rest = REST
        while True:
            client_id = uuid4().hex
            with suppress(OSError, WebSocketException, TimeoutError):
                async with self._connection(client_id) as socket:
                    self.client_id, self._socket, rest = client_id, socket, REST
                    async for frame in socket:
                        self._hear(frame)
            self._socket = None
            for watch in self._watches.values():
                # Whatever was missed in between is found by a look.
                watch.tell(moved=True)
            await asyncio.sleep(rest)
            rest = min(LONGEST_REST, rest * 2)

    @property
    def jobs(self) -> int:
        return len(self._watches)

    def expect(self, remote_id: str) -> None:
        """The job is about to be sent under `client_id`."""
        if self._socket is not None and remote_id in self._watches:
            self._watches[remote_id].expected_by = self.client_id

    def recall(self, remote_id: str) -> None:
        """The job was sent before anybody listened: the next look at it is worth taking at once."""
        if remote_id in self._watches:
            self._watches[remote_id].tell(moved=True)

    def check(self, remote_id: str) -> None:
        """The job ended. Where the socket should have spoken of it and did not, it looks alive and is not:
        a new one takes its place."""
        watch = self._watches.get(remote_id)
        if watch is None or watch.heard or self._socket is None or watch.expected_by != self.client_id:
            return
        log.info("socket says nothing, connecting again", backend=self._address.name)
        self._socket.transport.abort()
        self._socket = None

    def _connection(self, client_id: str) -> connect:
        headers = {name: text for name, text in self._address.headers.items() if name != "User-Agent"}
        return connect(
            self._address.socket(client_id),
            additional_headers=headers,
            user_agent_header=USER_AGENT,
            ping_interval=self._ping,
            max_size=64 * 1024 * 1024,
            proxy=None,
        )

    def _hear(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            return  # a preview
        try:
            message = json.loads(frame)
        except ValueError:
            return
        if isinstance(message, dict) and isinstance(message.get("data"), dict):
            self._note(message.get("type"), message["data"])

    def _note(self, kind: Any, data: dict[str, Any]) -> None:
        watch = self._watches.get(str(data.get("prompt_id")))
        if watch is None:
            return
        watch.heard = True
        if kind == "progress":
            watch.running = True
            watch.step, watch.steps = int(data.get("value") or 0), int(data.get("max") or 0)
            watch.tell(moved=False)
        elif kind == "execution_start":
            watch.running = True
            watch.tell(moved=False)
        elif kind == "executing" and data.get("node") is None:
            # Only now is the end in the history: at `execution_success` it may not be there yet.
            watch.tell(moved=True)
