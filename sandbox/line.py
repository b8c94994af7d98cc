"""The line between a client and a stand-in: it may be slow, break, or answer in the server's place."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults import Faults
from sandbox.rules import DropAfter, DropBefore, HtmlPage, HttpError, Latency, Subject
from sandbox.serving import hang_up


@dataclass(frozen=True)
class Call:
    """One HTTP call, whose body was read, or one WebSocket handshake."""

    scope: Scope
    receive: Receive
    send: Send
    body: bytes = b""

    @property
    def is_http(self) -> bool:
        return bool(self.scope["type"] == "http")


async def heard(scope: Scope, receive: Receive, send: Send) -> Call:
    """The call as it came in; an application that reads `receive` finds the body there again."""
    if scope["type"] == "websocket":
        return Call(scope, receive, send)
    body = await _body(receive)
    return Call(scope, _again(body, receive), send, body)


async def carry(
    call: Call, subject: Subject, faults: Faults, app: ASGIApp, refusal: Callable[[], Response | None]
) -> None:
    """Takes the call to the application and its answer back, as far as the faults let them.

    `refusal` is asked once the call has arrived: an answer in the application's place, None to let it in.
    """
    late = faults.take(Latency, subject)
    if late is not None:
        await asyncio.sleep(late.drawn())
    if faults.take(DropBefore, subject):
        await hang_up(call.scope, call.receive)
        return
    answer = _from_between(faults, subject) or refusal()
    if answer is not None:
        await answer(call.scope, call.receive, call.send)  # to a WebSocket's handshake too, as a proxy does
    elif call.is_http and faults.take(DropAfter, subject):
        await app(call.scope, call.receive, _nowhere)
        await hang_up(call.scope, call.receive)
    else:
        await app(call.scope, call.receive, call.send)


def proxy_error(status: int) -> Response:
    """The page of a proxy that could not reach the server."""
    known = {each.value: each.phrase for each in HTTPStatus}
    return _page(f"{status}: {known.get(status, 'A timeout occurred')}", status)  # 524 is a proxy's own


def _from_between(faults: Faults, subject: Subject) -> Response | None:
    error = faults.take(HttpError, subject)
    if error is not None:
        return proxy_error(error.status)
    return _page("Back soon", 200) if faults.take(HtmlPage, subject) else None


def _page(text: str, status: int) -> Response:
    page = f"<!DOCTYPE html>\n<html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>"
    return HTMLResponse(page, status)


async def _body(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that was read, then whatever comes after it."""
    told: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return told.pop() if told else await receive()

    return next_message


async def _nowhere(message: Message) -> None:
    """Where an answer goes that gets lost."""
