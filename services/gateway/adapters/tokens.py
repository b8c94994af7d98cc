"""Who is calling: JWTs with pinned algorithms, signed with a secret or with published keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt
import structlog

from contracts import names
from services.gateway.adapters.published_keys import ALGORITHMS, KeysUnreachable, PublishedKeys
from services.gateway.settings import TokenSettings

log = structlog.get_logger("gateway")

#: Seconds that clocks may disagree.
LEEWAY = 30

_REASONS: Sequence[tuple[type[jwt.PyJWTError], str]] = (
    (jwt.ExpiredSignatureError, "the token has expired; get a new one"),
    (jwt.ImmatureSignatureError, "the token is not valid yet; look at the clocks"),
    (jwt.InvalidAudienceError, "the token is meant for another audience"),
    (jwt.InvalidIssuerError, "the token is from another issuer"),
)


class Unauthorized(Exception):
    """The token opens nothing; the text says why, without the token."""

    #: Whether there was a token at all (RFC 6750 asks for another answer where there was none).
    presented = True


class Anonymous(Unauthorized):
    """Nobody said who is calling."""

    presented = False


class Forbidden(Exception):
    """The token is good, but its bearer may not do this; the text says why."""

    def __init__(self, why: str, scope: str | None = None) -> None:
        super().__init__(why)
        #: What the token would have to allow.
        self.scope = scope


class Uncheckable(Exception):
    """No token can be checked now; not the caller's fault."""


@dataclass(frozen=True)
class Caller:
    """Whoever called: the owner of what he makes, and what else he may do."""

    username: str
    scopes: frozenset[str]


class Tokens:
    """Reads bearer tokens."""

    def __init__(self, settings: TokenSettings, keys: PublishedKeys | None = None) -> None:
        """`keys`, where given, stand for those at the settings' JWT_JWKS_URL."""
        self._settings = settings
        url = settings.jwt_jwks_url
        self._keys = keys or (PublishedKeys(url) if url else None)

    async def caller(self, token: str) -> Caller:
        """Raises Unauthorized, Uncheckable, and Forbidden where the user's name can't be a folder."""
        try:
            claims = await self._claims(token)
        except jwt.MissingRequiredClaimError as why:
            raise Unauthorized(f"the token lacks the claim {why.claim!r}") from None
        except (jwt.PyJWTError, ValueError, OverflowError) as why:
            # The last two: times that are no numbers of seconds.
            told = next((text for kind, text in _REASONS if isinstance(why, kind)), None)
            raise Unauthorized(told or "the token is not one of ours") from None
        except KeysUnreachable as why:
            log.warning("keys of tokens can't be fetched", reason=str(why))
            raise Uncheckable(
                "the keys that tokens are checked with can't be fetched; try again in a moment"
            ) from None
        return self._named(claims)

    async def _claims(self, token: str) -> dict[str, Any]:
        if self._keys is None:
            secret = self._settings.jwt_secret
            assert secret is not None  # settings ask for one of the two
            return self._decoded(token, secret.get_secret_value(), "HS256")
        header = jwt.get_unverified_header(token)
        # Never the token's own word alone: the key must be published for this very algorithm.
        algorithm = str(header.get("alg"))
        key = await self._keys.find(header.get("kid"), algorithm) if algorithm in ALGORITHMS else None
        if key is None:
            raise jwt.InvalidKeyError("no such key")
        return self._decoded(token, key, algorithm)

    def _decoded(self, token: str, key: Any, algorithm: str) -> dict[str, Any]:
        audience, issuer = self._settings.jwt_audience, self._settings.jwt_issuer
        options: Any = {"require": ["exp"], "verify_aud": audience is not None, "verify_sub": False}
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
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
