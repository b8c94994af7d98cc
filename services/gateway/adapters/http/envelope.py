"""What every request passes through: a size limit and an id."""

from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Bytes of a request's body; the longest prompts and parameters that are accepted stay far below.
MAX_BYTES = 1 << 20


class SizeLimit:
    """Refuses bodies over MAX_BYTES, announced or not, before anybody reads them whole."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        announced = Headers(scope=scope).get("content-length", "") if scope["type"] == "http" else ""
        announced_bytes, seen = int(announced) if announced.isdigit() else 0, 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive() if announced_bytes <= MAX_BYTES else {"type": "too large"}
            seen += len(message.get("body", b""))
            if max(seen, announced_bytes) > MAX_BYTES:
                raise HTTPException(413, f"a body has at most {MAX_BYTES} bytes")
            return message

        await self._app(scope, counted if scope["type"] == "http" else receive, send)


class RequestIds:
    """Gives every request an id, told in the answer and in every problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = scope["darkroom.request_id"] = f"req_{uuid4().hex}"

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        await self._app(scope, receive, named)
