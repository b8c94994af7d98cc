"""What the routes work with, and who is at the door."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request, Response, Security
from fastapi.params import Security as Needed
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from contracts.forms import Forms
from services.gateway.adapters.archive import StoredImages
from services.gateway.adapters.http.idempotency import once, the_key
from services.gateway.adapters.http.places import Exports
from services.gateway.adapters.http.problems import Problem
from services.gateway.adapters.http.streams import Streams
from services.gateway.adapters.http.webhook_desk import WebhookDesk
from services.gateway.adapters.relay import Relay
from services.gateway.adapters.stage import LiveStage
from services.gateway.adapters.tokens import Anonymous, Tokens, Unauthorized
from services.gateway.domain.callers import SCOPES, Caller, Forbidden
from services.gateway.domain.limits import Limits
from services.gateway.image_ports import Collections, Marks, Pictures
from services.gateway.operate_ports import OperateDesk
from services.gateway.ports import Batches, Changes, Feed, Keys, Registry


@dataclass(frozen=True)
class Desk:
    """Everything behind the routes."""

    tokens: Tokens
    registry: Registry
    batches: Batches
    pictures: Pictures
    marks: Marks
    collections: Collections
    webhooks: WebhookDesk
    changes: Changes
    feed: Feed
    keys: Keys
    streams: Streams
    relay: Relay
    stage: LiveStage
    workflows: Forms
    generate_wait: float
    limits: Limits
    exports: Exports
    downloads: Exports
    stored: StoredImages
    operate: OperateDesk


class Followed(Protocol):
    """As much of the desk as following a batch needs."""

    @property
    def batches(self) -> Batches: ...

    @property
    def changes(self) -> Changes: ...

    @property
    def stage(self) -> LiveStage: ...


_BEARER = HTTPBearer(
    scheme_name="token",
    auto_error=False,
    bearerFormat="JWT",
    description=(
        "Signed with HS256, RS256 or ES256, as configured; `username` or `sub` says who calls. A token "
        "without `scope` may do everything of its user's own. One with `scope` may do what its words say: "
        + "; ".join(f"`{scope}`: {told}" for scope, told in SCOPES.items())
    ),
)


#: Names the user that a service acts for.
BEHALF = "X-On-Behalf-Of"


class Guarded(APIRoute):
    """A route that looks at the caller before anybody reads what he sent. What his token has to allow is
    declared with `needs` among its dependencies; where nothing is, only a user's own token opens it."""

    @property
    def scope(self) -> str | None:
        named = [need.scopes for need in self.dependencies if isinstance(need, Needed)]
        return next((scopes[0] for scopes in named if scopes), None)

    @property
    def _keyed(self) -> bool:
        return any(each.dependency is the_key for each in self.dependencies)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        scope, keyed = self.scope, self._keyed

        async def guarded(request: Request) -> Response:
            request.state.caller = caller = await _who(request)
            if scope is not None:
                caller.checked(scope)
            elif caller.narrowed:
                raise Forbidden("no scope opens this call; it is for users' own tokens")
            if self.body_field is not None:
                _must_be_json(request)
            if keyed:
                return await once(str(self.operation_id), request, caller.username, handle)
            return await handle(request)

        return guarded


def needs(scope: str) -> Any:
    """The scope that a route asks for, for its `dependencies`: one of `callers.SCOPES`."""
    if scope not in SCOPES:
        raise ValueError(f"{scope!r} is no scope; they are {', '.join(SCOPES)}")
    return Security(the_caller, scopes=[scope])


async def _who(request: Request) -> Caller:
    credentials = await _BEARER(request)
    if credentials is None:
        raise Anonymous("send a token: Authorization: Bearer …")
    behalf = _only(request, BEHALF)
    _only(request, "Authorization")
    return await (await the_desk(request)).tokens.caller(credentials.credentials, behalf)


def _only(request: Request, name: str) -> str | None:
    """A header whose second copy could be read by somebody on the way, and the first by us."""
    said = request.headers.getlist(name)
    if len(said) > 1:
        raise Unauthorized(f"the header {name} is there twice; send it once")
    return said[0] if said else None


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
