"""Who is calling: JWTs with pinned algorithms, signed with a secret or with published keys."""

import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import jwt
import structlog

from services.gateway.adapters.published_keys import ALGORITHMS, KeysUnreachable, PublishedKeys
from services.gateway.domain.callers import Caller, Unreadable, moment, scopes_of
from services.gateway.settings import TokenSettings

log = structlog.get_logger("gateway")

#: Seconds that clocks may disagree.
LEEWAY = 30
#: Callers that are remembered by their tokens.
REMEMBERED = 2048

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


class Uncheckable(Exception):
    """No token can be checked now; not the caller's fault."""


class Tokens:
    """Reads bearer tokens."""

    def __init__(self, settings: TokenSettings, keys: PublishedKeys | None = None) -> None:
        """`keys`, where given, stand for those at the settings' JWT_JWKS_URL."""
        self._settings = settings
        url = settings.jwt_jwks_url
        self._keys = keys or (PublishedKeys(url) if url else None)
        #: By digest of the token, and for whom its bearer acts.
        self._known: dict[tuple[bytes, str | None], Caller] = {}

    async def caller(self, token: str, behalf: str | None = None) -> Caller:
        """`behalf`: the user that the bearer acts for, if he said so. Raises Unauthorized, Uncheckable, and
        Forbidden where he may not, or where the user's name can't be a folder."""
        if self._keys is not None:
            # A key may be withdrawn at any time, so the set has its say about each request.
            return await self._checked(token, behalf)
        name = (sha256(token.encode()).digest(), behalf)
        caller = self._known.get(name)
        if caller is None or caller.until <= time.time():
            caller = await self._checked(token, behalf)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[name] = caller
        return caller

    async def _checked(self, token: str, behalf: str | None) -> Caller:
        try:
            return _named(await self._claims(token)).acting_for(behalf)
        except jwt.MissingRequiredClaimError as why:
            raise Unauthorized(f"the token lacks the claim {why.claim!r}") from None
        except Unreadable as why:
            raise Unauthorized(str(why)) from None
        except (jwt.PyJWTError, ValueError, OverflowError) as why:
            # The last two: times that are no numbers of seconds.
            told = next((text for kind, text in _REASONS if isinstance(why, kind)), None)
            raise Unauthorized(told or "the token is not one of ours") from None
        except KeysUnreachable as why:
            log.warning("keys of tokens can't be fetched", reason=str(why))
            raise Uncheckable(
                "the keys that tokens are checked with can't be fetched; try again in a moment"
            ) from None

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


def _named(claims: dict[str, Any]) -> Caller:
    """Raises Unauthorized and Unreadable."""
    username = claims.get("username") or claims.get("sub")
    if not isinstance(username, str):
        raise Unauthorized("the token names nobody; it needs the claim 'username' or 'sub'")
    # The library also reads times that are written as words; whoever signs those means something else.
    until, *_ = [moment(claims, name) for name in ("exp", "nbf", "iat")]
    assert until is not None  # no token without it gets here
    return Caller(username, scopes_of(claims.get("scope")), until + LEEWAY)
