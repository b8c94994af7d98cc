"""What a call that a fault rule chose looks like to the client; the one place where faults are applied."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import formatdate

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.cloudinary.faults import FaultKind, FaultRule
from sandbox.cloudinary.refusals import Refusal
from sandbox.serving import hang_up


async def under_fault(
    rule: FaultRule | None, proceed: Callable[[], Awaitable[Response]], now: float
) -> Response:
    """The answer to a call: the true one, or what the rule makes of it."""
    if rule is None:
        return await proceed()
    await asyncio.sleep(rule.delay_seconds)
    if rule.kind is FaultKind.LATENCY:
        return await proceed()
    if rule.after_commit:
        await proceed()
    return _ANSWERS[rule.kind](rule, now)


class HungUp(Response):
    """No answer at all: the connection is cut."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await hang_up(scope, receive)


def _html_502(rule: FaultRule, now: float) -> Response:  # noqa: ARG001
    return HTMLResponse("<html><head><title>502 Bad Gateway</title></head><body>502</body></html>", 502)


def _no_error_field(rule: FaultRule, now: float) -> Response:  # noqa: ARG001
    return JSONResponse({"status": "error"}, 500)


def _list_body(rule: FaultRule, now: float) -> Response:  # noqa: ARG001
    return JSONResponse([{"error": rule.message or "Unexpected"}], 500)


def _refusal(status: int, message: str) -> Callable[[FaultRule, float], Response]:
    return lambda rule, _: Refusal(status, rule.message or message).response()


def _limited(status: int) -> Callable[[FaultRule, float], Response]:
    def answer(rule: FaultRule, now: float) -> Response:
        message = rule.message or "Rate Limit Exceeded. Limit of 500 api operations reached."
        if rule.reset_seconds is None:
            return Refusal(status, message).response()
        reset = now + rule.reset_seconds
        headers = {"X-FeatureRateLimit-Reset": formatdate(reset, usegmt=True)}
        if status == 429:
            headers["Retry-After"] = str(round(rule.reset_seconds))
        again = datetime.fromtimestamp(reset, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return Refusal(status, f"{message} Try again on {again}", headers).response()

    return answer


_ANSWERS: dict[FaultKind, Callable[[FaultRule, float], Response]] = {
    FaultKind.DROP: lambda rule, now: HungUp(),  # noqa: ARG005
    FaultKind.HTML_502: _html_502,
    FaultKind.ERROR_500: _refusal(500, "Internal server error"),
    FaultKind.ERROR_503: _refusal(503, "Service unavailable"),
    FaultKind.NO_ERROR_FIELD: _no_error_field,
    FaultKind.LIST_BODY: _list_body,
    FaultKind.LIMITED_420: _limited(420),
    FaultKind.LIMITED_429: _limited(429),
    FaultKind.UNAUTHORIZED: _refusal(401, "Invalid credentials"),
    FaultKind.FORBIDDEN: _refusal(403, "Not allowed"),
    FaultKind.REFUSED: _refusal(400, "Refused on demand"),
    FaultKind.STALE: _refusal(
        400, "Stale request - reported time is 1970-01-01 00:00:00 +0000 which is more than 1 hour ago"
    ),
}
