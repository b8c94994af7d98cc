"""`Idempotency-Key`: who did not hear the answer asks again, and gets it; nothing is made twice.

By draft-ietf-httpapi-idempotency-key-header-07. A route keeps to it that has KEYED among its dependencies.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from messaging.ending import ended
from messaging.errors import Outage, TemporaryError
from services.gateway.adapters.http import problems
from services.gateway.adapters.http.codes import CODES
from services.gateway.adapters.http.problems import Problem
from services.gateway.domain.callers import Forbidden
from services.gateway.domain.idempotency import LEASE, Answer, Busy, OtherBody, Proceed, Verdict
from services.gateway.ports import KeyName, Keys

NAME = "Idempotency-Key"
#: Printable ASCII; a structured header's quotes around it are none of it.
_KEY = re.compile(r"[ -~]{1,255}", re.ASCII)
#: A refusal that is an outcome: the work was accepted and done.
_OUTCOMES = ("all_images_failed",)


@dataclass(frozen=True)
class Key:
    """A call under a key."""

    #: Names what the call makes, the same at every repetition.
    thing: str
    #: Whether an earlier call under this key may have made it already.
    resumed: bool


async def the_key(
    _key: Annotated[
        str | None,
        Header(
            alias=NAME,
            description="chosen by the caller, new for each thing he wants: the same key and body again are "
            "answered as the first time (`Idempotent-Replayed: true`), and nothing is made twice",
            examples=["0b6c0f3e-5d0c-4f0e-8a37-c1c3a1b2c3d4"],
        ),
    ] = None,
) -> None:
    """The header is read by the route's guard, and named here for the OpenAPI document."""


KEYED = Depends(the_key)


def key_of(request: Request) -> Key | None:
    """None where the caller named none."""
    key: Key | None = getattr(request.state, "key", None)
    return key


async def once(
    call: str, request: Request, username: str, handle: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Handles the request, or repeats what the first one under its key was answered. Raises Problem."""
    said = request.headers.getlist(NAME)
    if not said:
        return await handle(request)
    keys: Keys = request.app.state.desk.keys
    name = KeyName(username, call, _read(said))
    key = _proceeding(await keys.claim(name, await _fingerprint(request)))
    if isinstance(key, Response):
        return key
    request.state.key = key
    try:
        async with _held(keys, name):
            answer = await handle(request)
    except Problem as problem:
        if problem.code not in _OUTCOMES:
            await keys.release(name)
            raise
        answer = problems.answer(request, problem)
    except (RequestValidationError, HTTPException, Forbidden):
        await keys.release(name)
        raise
    except (Outage, TemporaryError):
        # Something may have come of it: the key stays with this body, for whoever asks again.
        with suppress(Outage, TemporaryError):
            await keys.let_go(name)
        raise
    await keys.answered(name, _kept(answer))
    return answer


@asynccontextmanager
async def _held(keys: Keys, name: KeyName) -> AsyncIterator[None]:
    """The lease goes on while the call is under way, however long its caller waits."""
    holding: list[asyncio.Task[None]] = []
    # Nearly every call has ended by then, and costs no task.
    later = asyncio.get_running_loop().call_later(
        LEASE / 3, lambda: holding.append(asyncio.create_task(_extending(keys, name)))
    )
    try:
        yield
    finally:
        later.cancel()
        if holding:
            await ended(holding)


async def _extending(keys: Keys, name: KeyName) -> None:
    while True:
        with suppress(Outage, TemporaryError):
            await keys.extend(name)
        await asyncio.sleep(LEASE / 3)


def _read(said: list[str]) -> str:
    key = said[0].strip()
    quoted = len(key) > 1 and key[0] == key[-1] == '"'
    key = key[1:-1] if quoted else key
    if len(said) > 1 or not _KEY.fullmatch(key):
        raise Problem("invalid_idempotency_key", CODES["invalid_idempotency_key"].example)
    return key


def _proceeding(verdict: Verdict) -> Key | Response:
    match verdict:
        case Proceed(thing, resumed):
            return Key(thing, resumed)
        case Answer(status, headers, body):
            return Response(body.encode(), status, {**headers, "Idempotent-Replayed": "true"})
        case Busy(seconds):
            detail = CODES["idempotency_key_in_use"].example
            raise Problem("idempotency_key_in_use", detail, headers={"Retry-After": str(seconds)})
        case OtherBody():
            raise Problem("idempotency_key_reuse", CODES["idempotency_key_reuse"].example)


async def _fingerprint(request: Request) -> str:
    """Of the path and the body; bodies that say the same in JSON are the same."""
    body = await request.body()
    try:
        said = json.dumps(json.loads(body), sort_keys=True).encode()
    except (ValueError, RecursionError):
        said = body
    return sha256(request.url.path.encode() + b"\0" + said).hexdigest()


def _kept(answer: Response) -> Answer:
    headers: dict[str, Any] = {
        name: value for name, value in answer.headers.items() if name != "content-length"
    }
    return Answer(answer.status_code, headers, bytes(answer.body).decode())
