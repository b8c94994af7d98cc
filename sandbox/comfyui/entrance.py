"""What stands before the routes: the login, the origin check, and the faults of the way to the server."""

import json
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.comfyui.answers import LOGIN_PATH, login_form, password_wanted, to_login
from sandbox.comfyui.machine import Machine
from sandbox.comfyui.rules import LoginPage
from sandbox.comfyui.settings import Login
from sandbox.faults import subject_of
from sandbox.line import carry, heard
from sandbox.rules import Subject
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
        call = await heard(scope, receive, send)
        subject = self._subject(scope, call.body)
        await carry(call, subject, self._machine.faults, self._app, lambda: self._refusal(scope, subject))

    def _refusal(self, scope: Scope, subject: Subject) -> Response | None:
        if self._machine.faults.take(LoginPage, subject):
            return to_login()
        login = self._machine.settings.login
        if login is not None and not _opens(login, scope):
            return to_login() if login.has_page else password_wanted()
        if scope["type"] == "websocket" and subject.route != "/ws":
            # The real server answers a handshake like any GET, and clients follow the redirect to its login.
            return login_form() if subject.route == LOGIN_PATH else Response(status_code=404)
        return Response(status_code=403) if _is_foreign(Headers(scope=scope)) else None

    def _subject(self, scope: Scope, body: bytes) -> Subject:
        route, method = scope["path"].removeprefix("/api"), scope.get("method", "GET")
        match route.split("/"):
            case ["", "prompt"]:
                return subject_of(_graph(body), route, method, submits=method == "POST")
            case ["", "history", prompt_id] | ["", "jobs", prompt_id] | ["", "jobs", prompt_id, "cancel"]:
                return self._machine.subject(prompt_id, route, method)
            case ["", "view"]:
                query = QueryParams(scope["query_string"])
                path = f"{query.get('subfolder', '')}/{query.get('filename', '')}"
                return Subject(route, method, (path.lstrip("/"),))
            case _:
                return Subject(route, method)


def _opens(login: Login, scope: Scope) -> bool:
    if scope["path"] == LOGIN_PATH and login.has_page:
        return True
    token = QueryParams(scope["query_string"]).get("token")
    return login.opens(Headers(scope=scope).get("authorization", ""), token)


def _graph(body: bytes) -> object:
    try:
        told = json.loads(body)
    except ValueError:
        return None
    return told.get("prompt") if isinstance(told, dict) else None


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
