"""Somebody who issues tokens and publishes the keys that they are signed with, at a real address."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.web import serving
from services.gateway.adapters.published_keys import PublishedKeys
from services.gateway.adapters.tokens import Tokens
from services.gateway.settings import TokenSettings

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
CURVE_P384 = ec.generate_private_key(ec.SECP384R1())


def published(private: Any, kid: str, **more: str) -> dict[str, Any]:
    name = "RS256" if isinstance(private, rsa.RSAPrivateKey) else "ES256"
    text = jwt.get_algorithm_by_name(name).to_jwk(private.public_key())
    return {**json.loads(text), "kid": kid, **more}


def signed(private: Any, algorithm: str, kid: str | None, **claims: Any) -> str:
    said = {"username": "Areg", "exp": time.time() + 3600, **claims}
    headers = {"kid": kid} if kid else None
    return jwt.encode(said, private, algorithm=algorithm, headers=headers)


def with_header(private: Any, head: dict[str, Any]) -> str:
    said = {"username": "Areg", "exp": time.time() + 3600}
    return jwt.encode(said, private, algorithm="RS256", headers=head)


RS, ES = signed(RSA, "RS256", "rsa"), signed(EC, "ES256", "ec")
BOTH = {"keys": [published(RSA, "rsa", alg="RS256", use="sig"), published(EC, "ec")]}


@dataclass
class Issuer:
    """Publishes keys, or fails as it is told."""

    content: bytes = json.dumps(BOTH).encode()
    status: int = 200
    asked: int = 0
    url: str = ""
    now: float = 1000.0
    hangs: asyncio.Event | None = None

    async def answer(self, _request: Request) -> Response:
        self.asked += 1
        if self.hangs:
            await self.hangs.wait()
        return Response(self.content, self.status, media_type="application/json")

    def publishes(self, *keys: dict[str, Any]) -> None:
        self.content = json.dumps({"keys": keys}).encode()

    def tokens(self, **settings: str) -> Tokens:
        """With a clock that stands still until it is moved."""
        asked = TokenSettings(jwt_jwks_url=self.url, **settings)  # type: ignore[arg-type]
        return Tokens(asked, PublishedKeys(self.url, lambda: self.now))


@asynccontextmanager
async def served(issuer: Issuer) -> AsyncIterator[None]:
    async with serving(Starlette(routes=[Route("/keys", issuer.answer)]), "127.0.0.1", 0) as url:
        issuer.url = f"{url}/keys"
        yield
