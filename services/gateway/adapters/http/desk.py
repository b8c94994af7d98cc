"""What the routes work with, and who is at the door."""

from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.gateway.adapters.http.problems import Problem
from services.gateway.adapters.http.streams import Streams
from services.gateway.adapters.relay import Relay
from services.gateway.adapters.stage import LiveStage
from services.gateway.adapters.tokens import Anonymous, Caller, Tokens
from services.gateway.ports import Batches, Changes, Pictures, Registry


@dataclass(frozen=True)
class Desk:
    """Everything behind the routes."""

    tokens: Tokens
    registry: Registry
    batches: Batches
    pictures: Pictures
    changes: Changes
    streams: Streams
    relay: Relay
    stage: LiveStage
    workflows: Collection[str]
    generate_wait: float


_BEARER = HTTPBearer(
    scheme_name="token",
    auto_error=False,
    bearerFormat="JWT",
    description="signed with HS256, RS256 or ES256, as configured; `username` or `sub` says who calls",
)


class Guarded(APIRoute):
    """A route that looks at the caller before anybody reads what he sent."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            request.state.caller = await _who(request)
            if self.body_field is not None:
                _must_be_json(request)
            return await handle(request)

        return guarded


async def _who(request: Request) -> Caller:
    credentials = await _BEARER(request)
    if credentials is None:
        raise Anonymous("send a token: Authorization: Bearer …")
    return await (await the_desk(request)).tokens.caller(credentials.credentials)


def _must_be_json(request: Request) -> None:
    sent = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if (
        sent
        and kind != "application/json"
        and not (kind.startswith("application/") and kind.endswith("+json"))
    ):
        raise Problem("unsupported_media_type", "send JSON, with Content-Type: application/json")


async def the_desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


async def the_caller(
    request: Request, _token: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
) -> Caller:
    """Whom the route's guard let in; the token is named here for the OpenAPI document."""
    caller: Caller = request.state.caller
    return caller


AtDesk = Annotated[Desk, Depends(the_desk)]
ByCaller = Annotated[Caller, Depends(the_caller)]
