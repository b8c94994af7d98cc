"""Who is calling: JWTs with pinned algorithms, signed with a secret or with published keys."""

import asyncio
from dataclasses import dataclass
from typing import Any

import jwt

from contracts import names
from services.gateway.settings import TokenSettings

#: Seconds that clocks may disagree.
LEEWAY = 30


class Unauthorized(Exception):
    """The token opens nothing; the text says why, without the token."""


class Forbidden(Exception):
    """The token is good, but its bearer can't be served here; the text says why."""


@dataclass(frozen=True)
class Caller:
    """Whoever called: the owner of what he makes, and what else he may do."""

    username: str
    scopes: frozenset[str]


class Tokens:
    """Reads bearer tokens."""

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._keys = jwt.PyJWKClient(settings.jwt_jwks_url, timeout=5) if settings.jwt_jwks_url else None

    async def caller(self, token: str) -> Caller:
        """Raises Unauthorized, and Forbidden where the user's name can't be a folder."""
        try:
            claims = await self._claims(token)
        except jwt.ExpiredSignatureError:
            raise Unauthorized("the token has expired; get a new one") from None
        except jwt.MissingRequiredClaimError as why:
            raise Unauthorized(f"the token lacks the claim {why.claim!r}") from None
        except jwt.PyJWKClientConnectionError:
            raise Unauthorized("the keys that tokens are signed with can't be fetched; try again") from None
        except jwt.PyJWTError:
            raise Unauthorized("the token is not one of ours") from None
        return self._named(claims)

    async def _claims(self, token: str) -> dict[str, Any]:
        if self._keys:
            # The client fetches and caches with blocking I/O.
            key = (await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)).key
            return self._decoded(token, key, ["RS256", "ES256"])
        secret = self._settings.jwt_secret
        assert secret is not None  # settings ask for one of the two
        return self._decoded(token, secret.get_secret_value(), ["HS256"])

    def _decoded(self, token: str, key: Any, algorithms: list[str]) -> dict[str, Any]:
        audience, issuer = self._settings.jwt_audience, self._settings.jwt_issuer
        options: Any = {"require": ["exp"], "verify_aud": audience is not None, "verify_sub": False}
        return jwt.decode(
            token,
            key,
            algorithms=algorithms,
            audience=audience,
            issuer=issuer,
            leeway=LEEWAY,
            options=options,
        )

    def _named(self, claims: dict[str, Any]) -> Caller:
        username = claims.get("username") or claims.get("sub")
        if not isinstance(username, str):
            raise Unauthorized("the token names nobody; it needs the claim 'username' or 'sub'")
        try:
            names.check_username(username)
        except names.Unnameable as why:
            raise Forbidden(f"this user can't own a folder: {why}") from None
        scope = claims.get("scope")
        return Caller(username, frozenset(scope.split()) if isinstance(scope, str) else frozenset())
