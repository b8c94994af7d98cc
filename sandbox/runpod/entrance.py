"""What stands before the calls: the key, the limits, and the faults of the way to the API."""

import hmac
import json
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.line import carry, heard
from sandbox.rules import Subject
from sandbox.runpod.endpoint import Endpoint
from sandbox.runpod.jobs import subject_of_input
from sandbox.runpod.rules import ApiError, TooMany


class Entrance:
    """Lets a call in, or answers in the API's place. An endpoint's `/sandbox` and the bucket are open."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint], key: str) -> None:
        self._app, self._endpoints = app, endpoints
        self._expected = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        version, _, rest = scope.get("path", "").removeprefix("/").partition("/")
        name, _, asked = rest.partition("/")
        if scope["type"] != "http" or version != "v2" or asked.startswith("sandbox/"):
            await self._app(scope, receive, send)
        elif not self._is_known(scope):
            await error(401, "Unauthorized")(scope, receive, send)
        elif name not in self._endpoints:
            await error(404, "endpoint not found")(scope, receive, send)
        else:
            await self._enter(self._endpoints[name], f"/{asked}", scope, receive, send)

    async def _enter(
        self, endpoint: Endpoint, route: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        asked = route.split("/")[1]
        endpoint.stats.calls[asked] += 1
        with endpoint.limits.open(asked):
            call = await heard(scope, receive, send)
            subject = _subject(endpoint, route, scope["method"], call.body)
            await carry(call, subject, endpoint.faults, self._app, lambda: _refusal(endpoint, asked, subject))

    def _is_known(self, scope: Scope) -> bool:
        given = Headers(scope=scope).get("authorization", "").encode()
        return hmac.compare_digest(given, self._expected)


def error(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """As the API words whatever goes wrong in it."""
    return JSONResponse({"error": text}, status, headers)


def _refusal(endpoint: Endpoint, asked: str, subject: Subject) -> Response | None:
    fault = endpoint.faults.take(ApiError, subject)
    if fault is not None:
        return error(fault.status, fault.message)
    many = endpoint.faults.take(TooMany, subject)
    if many is not None:
        wait = {} if many.retry_after is None else {"retry-after": f"{many.retry_after:g}"}
        return error(429, "Too Many Requests", wait)
    if not endpoint.limits.admits(asked):
        endpoint.stats.limited[asked] += 1
        return error(429, "Too Many Requests")
    return None


def _subject(endpoint: Endpoint, route: str, method: str, body: bytes) -> Subject:
    match route.split("/"):
        case ["", "run" | "runsync"]:
            return subject_of_input(_input(body), route, method, submits=True)
        case ["", _, job_id] if (job := endpoint.find(job_id)) is not None:
            return subject_of_input(job.submission.input, route, method)
        case _:
            return Subject(route, method)


def _input(body: bytes) -> object:
    try:
        told = json.loads(body)
    except ValueError:
        return None
    return told.get("input") if isinstance(told, dict) else None
