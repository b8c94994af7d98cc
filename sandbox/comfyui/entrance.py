"""What stands before the routes: the login, the origin check, and the faults of the way to the server."""

import asyncio
import json
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.comfyui.answers import LOGIN_PATH, login_form, proxy_error, to_login
from sandbox.comfyui.faults import subject_of
from sandbox.comfyui.machine import Machine
from sandbox.comfyui.rules import DropAfter, DropBefore, HttpError, Latency, LoginPage, Subject
from sandbox.serving import hang_up

#: The real server's `--max-upload-size`, in bytes.
MAX_BODY = 100 * 1024 * 1024


class Entrance:
    """Lets a call in, or answers in the server's place. `/sandbox` is always open."""

    def __init__(self, app: ASGIApp, machine: Machine) -> None:
        self._app, self._machine = app, machine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"].startswith("/sandbox/"):
            await self._app(scope, receive, send)
        elif not self._machine.is_up:
            await hang_up(scope, receive)
        elif int(Headers(scope=scope).get("content-length", "0")) > MAX_BODY:
            await Response("413: Request Entity Too Large", 413)(scope, receive, send)
        else:
            await self._enter(scope, receive, send)

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b"" if scope["type"] == "websocket" else await _body(receive)
        heard = receive if scope["type"] == "websocket" else _again(body, receive)
        subject = self._subject(scope, body)
        faults = self._machine.faults
        late = faults.take(Latency, subject)
        if late is not None:
            await asyncio.sleep(late.seconds)
        if faults.take(DropBefore, subject):
            await hang_up(scope, receive)
            return
        refusal = self._refusal(scope, subject)
        if refusal is not None:
            await refusal(scope, heard, send)  # to a WebSocket's handshake as well, as a proxy does
        elif scope["type"] == "http" and faults.take(DropAfter, subject):
            await self._app(scope, heard, _nowhere)
            await hang_up(scope, receive)
        else:
            await self._app(scope, heard, send)

    def _refusal(self, scope: Scope, subject: Subject) -> Response | None:
        error = self._machine.faults.take(HttpError, subject)
        if error is not None:
            return proxy_error(error.status)
        if self._machine.faults.take(LoginPage, subject) or not self._may_enter(scope):
            return to_login()
        if scope["type"] == "websocket" and subject.route != "/ws":
            # The real server answers a handshake like any GET, and clients follow the redirect to its login.
            return login_form() if subject.route == LOGIN_PATH else Response(status_code=404)
        return Response(status_code=403) if _is_foreign(Headers(scope=scope)) else None

    def _may_enter(self, scope: Scope) -> bool:
        login = self._machine.settings.login
        if login is None or scope["path"] == LOGIN_PATH:
            return True
        token = QueryParams(scope["query_string"]).get("token")
        return login.opens(Headers(scope=scope).get("authorization", ""), token)

    def _subject(self, scope: Scope, body: bytes) -> Subject:
        route, method = scope["path"].removeprefix("/api"), scope.get("method", "GET")
        match route.split("/"):
            case ["", "prompt"]:
                return subject_of(_graph(body), route, method)
            case ["", "history", prompt_id] | ["", "jobs", prompt_id] | ["", "jobs", prompt_id, "cancel"]:
                return self._machine.subject(prompt_id, route, method)
            case ["", "view"]:
                query = QueryParams(scope["query_string"])
                path = f"{query.get('subfolder', '')}/{query.get('filename', '')}"
                return Subject(route, method, (path.lstrip("/"),))
            case _:
                return Subject(route, method)


def _graph(body: bytes) -> object:
    try:
        told = json.loads(body)
    except ValueError:
        return None
    return told.get("prompt") if isinstance(told, dict) else None


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that was read, then whatever comes after it."""
    told: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def heard() -> Message:
        return told.pop() if told else await receive()

    return heard


async def _nowhere(message: Message) -> None:
    """Where an answer goes that gets lost."""


def _is_foreign(headers: Headers) -> bool:
    """A web page of another site, which a browser that runs beside the server must not let through."""
    if headers.get("sec-fetch-site") == "cross-site":
        return True
    host, origin = (
        urlsplit(f"//{headers.get('host', '').lower()}"),
        urlsplit(headers.get("origin", "").lower()),
    )
    if not origin.netloc or not _is_loopback(host.hostname):
        return False
    return origin.netloc != (host.netloc if origin.port else host.hostname)


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
