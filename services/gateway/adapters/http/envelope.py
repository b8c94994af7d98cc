"""What every request passes through: an id, a size limit, and headers that keep browsers careful."""

import asyncio
from math import inf
from time import monotonic
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from messaging import tracing
from services.gateway.adapters.metrics import HTTP

#: Bytes of a request's body; the longest prompts and parameters that are accepted stay far below.
MAX_BYTES = 1 << 20
#: Seconds that a body may take to arrive.
BODY_SECONDS = 30.0
#: Bytes of a body that is too large which are read and forgotten, so that whoever sends them gets to the
#: answer: closing a connection with unread bytes on it would take the answer away from him.
MAX_FORGOTTEN = 8 << 20

_CAREFUL = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # Answers are one user's own, and true for a moment.
    "Cache-Control": "no-store",
}


class Envelope:
    """Around everything, so that the answer to a bug carries all of it too."""

    def __init__(self, app: ASGIApp) -> None:
        self.inside = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inside(scope, receive, send)
            return
        request_id, began = f"req_{uuid4().hex}", monotonic()
        tracing.concerns(request_id=request_id)

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                HTTP.labels(_route(inner), f"{message['status'] // 100}xx").observe(monotonic() - began)
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in _CAREFUL.items():
                    headers.setdefault(name, value)
            await send(message)

        # The server leaves out the body of an answer to HEAD itself.
        head = scope["method"] == "HEAD"
        told = {"darkroom.request_id": request_id, "darkroom.head": head}
        inner = {**scope, "method": "GET" if head else scope["method"], **told}
        try:
            await self.inside(inner, _limited(Headers(scope=scope), receive), marked)
        finally:
            if "route" in inner:
                tracing.named(f"{scope['method']} {_route(inner)}")


def _route(scope: Scope) -> str:
    """As it was declared, without anybody's ids; of what leads nowhere, nothing."""
    route = scope.get("route")
    return route.path if route else "none"


def _limited(headers: Headers, receive: Receive) -> Receive:
    """Refuses bodies over MAX_BYTES, announced or not, before anybody keeps them whole, and those that come
    in drops."""
    announced = headers.get("content-length", "")
    too_large = announced.isdecimal() and (len(announced) > 9 or int(announced) > MAX_BYTES)
    # Whoever asks first whether he may send it has not sent it yet.
    asks_first = headers.get("expect", "").lower() == "100-continue"
    seen, left = 0, BODY_SECONDS

    async def in_time() -> Message:
        nonlocal left
        began = monotonic()
        try:
            async with asyncio.timeout(left):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, f"a body has to arrive within {BODY_SECONDS:g} seconds") from None
        # What comes after the body is the caller's hanging up, which may take its time.
        left = left - (monotonic() - began) if message.get("more_body") else inf
        return message

    async def limited() -> Message:
        nonlocal seen
        if too_large:
            if not asks_first:
                await _forget(receive)
            raise _refusal()
        message = await (receive() if left == inf else in_time())
        seen += len(message.get("body", b""))
        if seen > MAX_BYTES:
            if message.get("more_body"):
                await _forget(receive)
            raise _refusal()
        return message

    return limited


async def _forget(receive: Receive) -> None:
    forgotten, more = 0, True
    while more and forgotten < MAX_FORGOTTEN:
        message = await receive()
        forgotten += len(message.get("body", b""))
        more = message.get("more_body", False)


def _refusal() -> HTTPException:
    return HTTPException(413, f"a body has at most {MAX_BYTES} bytes")
