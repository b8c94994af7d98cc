"""What the routes work with, and who is at the door."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.gateway.adapters.relay import Relay
from services.gateway.adapters.stage import LiveStage
from services.gateway.adapters.tokens import Caller, Tokens, Unauthorized
from services.gateway.ports import Batches, Pictures, Registry


@dataclass(frozen=True)
class Desk:
    """Everything behind the routes."""

    tokens: Tokens
    registry: Registry
    batches: Batches
    pictures: Pictures
    relay: Relay
    stage: LiveStage
    workflows: Collection[str]
    generate_wait: float


_BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", description="HS256, RS256 or ES256, as configured")


def the_desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(the_desk)]


async def the_caller(
    desk: AtDesk, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
) -> Caller:
    if credentials is None:
        raise Unauthorized("send a token: Authorization: Bearer …")
    return await desk.tokens.caller(credentials.credentials)


ByCaller = Annotated[Caller, Depends(the_caller)]
