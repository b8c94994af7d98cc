"""What an answer of Cloudinary means. Judged by status and body: the SDK's exceptions carry no status, miss
some, and a 5xx without an `error` passes through it as a success."""

import json
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import urllib3

from chassis.logs import redact
from messaging.errors import Outage

#: Statuses that speak of the moment: timeout, rate limits, still processing, given up by the client's side.
_PASSING = frozenset({408, 420, 423, 429, 499})
_LIMITED = frozenset({420, 429})
_LONGEST = 300

_STALE = "this machine's clock is wrong by more than an hour, check NTP"
_ADVICE = {
    401: "check key, secret and cloud name in CLOUDINARY_URL",
    403: "check what the API key in CLOUDINARY_URL may do, and whether the account is suspended",
}


class Unauthorized(Outage):
    """Cloudinary refuses the account, not the image: everything waits until an operator has mended it."""


class Limited(Outage):
    """The account's hourly quota is used up; `resets_at` is Unix time, None where the answer does not say."""

    def __init__(self, reason: str, resets_at: float | None) -> None:
        super().__init__(reason)
        self.resets_at = resets_at


class NotFound(Exception):
    """Nothing lies at that name."""


class Refused(Exception):
    """Cloudinary will not do it, however often it is asked."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"Cloudinary refuses ({status}): {message}")
        self.status = status
        self.message = message


def judged(
    answer: urllib3.BaseHTTPResponse | None, broken: Exception | None, hide: Callable[[str], str]
) -> dict[str, Any]:
    """The body of a good answer. Raises Outage (Unauthorized, Limited), NotFound or Refused for any other."""
    if answer is None:
        raise Outage(f"Cloudinary does not answer: {_short(hide(_why(broken)))}")
    body = _body(answer)
    error = body.get("error")
    if 200 <= answer.status < 300 and body and error is None:
        return body
    message = error.get("message") if isinstance(error, dict) else None
    raise _refusal(answer, _short(redact(hide(str(message)))) if message else None)


def _refusal(answer: urllib3.BaseHTTPResponse, message: str | None) -> Exception:
    status = answer.status
    if message and "stale request" in message.lower():
        return Unauthorized(f"Cloudinary refuses every request: {_STALE} ({message})")
    if status in _ADVICE:
        return Unauthorized(f"Cloudinary refuses the account: {_ADVICE[status]} ({status} {message})")
    if status in _LIMITED:
        resets_at = _resets_at(answer)
        wait = f", for {max(0.0, resets_at - time.time()):.0f} s more" if resets_at else ""
        return Limited(f"Cloudinary's rate limit is used up{wait} ({status} {message})", resets_at)
    if status in _PASSING or not 400 <= status < 500:
        return Outage(f"Cloudinary is out of order ({status} {message or 'without a word'})")
    if status == 404:
        return NotFound(message or "not found")
    return Refused(status, message or "without a word")


def _body(answer: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    """Empty where the body is not a JSON object: nothing is known then, whatever the status."""
    try:
        body = json.loads(answer.data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _resets_at(answer: urllib3.BaseHTTPResponse) -> float | None:
    try:
        return parsedate_to_datetime(answer.headers["X-FeatureRateLimit-Reset"]).timestamp()
    except (KeyError, ValueError):
        return None


def _why(broken: Exception | None) -> str:
    return f"{type(broken).__name__}: {broken}" if broken else "no reason known"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
