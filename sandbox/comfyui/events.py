"""The WebSocket side: who listens under which client id, and what is sent to whom."""

import asyncio
import json
import struct
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from starlette.websockets import WebSocket, WebSocketDisconnect

Frame = str | bytes

#: What `/features` and the `feature_flags` message say.
FEATURES = {"supports_preview_metadata": True, "max_upload_size": 100 * 1024 * 1024}
_JPEG = 1
_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4


class _Socket:
    def __init__(self, most: int | None) -> None:
        #: Messages that it sends before it falls silent; any number where None.
        self.left = most
        #: None is the end: the handler returns without a close frame, as a killed server does.
        self.outbox: asyncio.Queue[Frame | None] = asyncio.Queue()
        self.wants_metadata = False


class Sockets:
    """Open sockets by client id: events go to the client that sent the prompt, and are never replayed.

    A client id has one entry. Whichever socket of that id ends takes the entry along, even that of its
    successor, which from then on hears nothing: ComfyUI #16010.
    """

    def __init__(self, remaining: Callable[[], int], running_node: Callable[[str], str | None]) -> None:
        self._open: dict[str, _Socket] = {}
        self._all: set[_Socket] = set()
        self._remaining = remaining
        self._running_node = running_node

    def send(self, kind: str, data: dict[str, Any], client_id: str | None = None) -> None:
        """To one client, or to everyone where client_id is None."""
        self._send(json.dumps({"type": kind, "data": data}), client_id)

    def send_status(self) -> None:
        self.send("status", {"status": self._exec_info()})

    def send_preview(self, jpeg: bytes, about: dict[str, Any], client_id: str | None) -> None:
        """A picture while it is made; with its metadata for clients that said that they read it."""
        for socket in self._to(client_id):
            socket.outbox.put_nowait(_preview(jpeg, about if socket.wants_metadata else None))

    def drop_all(self) -> None:
        """Break every connection."""
        for socket in self._all:
            socket.outbox.put_nowait(None)

    async def keep(self, websocket: WebSocket, most: int | None = None) -> None:
        """Serve one socket until it ends; after `most` messages it is a zombie, open and silent."""
        client_id = websocket.query_params.get("clientId") or uuid4().hex
        await websocket.accept()
        socket = self._open[client_id] = _Socket(most)
        self._all.add(socket)
        self._greet(socket, client_id)
        try:
            await self._carry(websocket, socket)
        finally:
            self._open.pop(client_id, None)
            self._all.discard(socket)

    def _greet(self, socket: _Socket, client_id: str) -> None:
        greeting = {"type": "status", "data": {"status": self._exec_info(), "sid": client_id}}
        socket.outbox.put_nowait(json.dumps(greeting))
        node = self._running_node(client_id)
        if node is not None:
            socket.outbox.put_nowait(json.dumps({"type": "executing", "data": {"node": node}}))

    async def _carry(self, websocket: WebSocket, socket: _Socket) -> None:
        reader = asyncio.create_task(_read(websocket, socket))
        writer = asyncio.create_task(_write(websocket, socket))
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    def _send(self, frame: Frame, client_id: str | None) -> None:
        for socket in self._to(client_id):
            socket.outbox.put_nowait(frame)

    def _to(self, client_id: str | None) -> list[_Socket]:
        if client_id is None:
            return list(self._open.values())
        return [self._open[client_id]] if client_id in self._open else []

    def _exec_info(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": self._remaining()}}


async def _read(websocket: WebSocket, socket: _Socket) -> None:
    first = True
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if first:
            _read_flags(message.get("text") or "", socket)
        first = False


def _read_flags(text: str, socket: _Socket) -> None:
    try:
        message = json.loads(text)
    except ValueError:
        return
    if isinstance(message, dict) and message.get("type") == "feature_flags":
        socket.wants_metadata = bool(message.get("data", {}).get("supports_preview_metadata"))
        socket.outbox.put_nowait(json.dumps({"type": "feature_flags", "data": FEATURES}))


async def _write(websocket: WebSocket, socket: _Socket) -> None:
    while (frame := await socket.outbox.get()) is not None:
        if socket.left == 0:
            continue
        socket.left = None if socket.left is None else socket.left - 1
        try:
            await (websocket.send_text(frame) if isinstance(frame, str) else websocket.send_bytes(frame))
        except WebSocketDisconnect:
            return


def _preview(jpeg: bytes, about: dict[str, Any] | None) -> bytes:
    if about is None:
        return struct.pack(">II", _PREVIEW, _JPEG) + jpeg
    metadata = json.dumps({**about, "image_type": "image/jpeg"}).encode()
    return struct.pack(">II", _PREVIEW_WITH_METADATA, len(metadata)) + metadata + jpeg
