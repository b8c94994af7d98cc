"""The keys that tokens are signed with, as their issuer publishes them (JWKS, RFC 7517)."""

import asyncio
from collections.abc import Callable
from time import monotonic

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

#: What a published key may sign with; anything else in the set is no key of ours.
ALGORITHMS = ("RS256", "ES256")
#: Seconds after which the set is fetched again, and between two attempts, so that tokens with invented
#: key ids do not become requests to the issuer.
FRESH, REST = 300.0, 10.0
#: Seconds that the last set stays good while its issuer can't be reached.
KEPT = 24 * 3600.0
TIMEOUT = 5.0
#: Bits of an RSA key below which its signatures can be forged (RFC 7518, section 3.3).
STRONG = 2048


class KeysUnreachable(Exception):
    """The set can't be fetched, so nothing can be said about this token."""


class PublishedKeys:
    """The set at one URL. Callers share one fetch; a known key needs none, also while the issuer is down."""

    def __init__(self, url: str, clock: Callable[[], float] = monotonic) -> None:
        self._url = url
        self._clock = clock
        self._turn = asyncio.Lock()
        self._keys: tuple[jwt.PyJWK, ...] = ()
        self._fetched: float | None = None
        self._tried: float | None = None
        self._trouble: str | None = None

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The one key of this id and algorithm, of any id where the token names none. Raises KeysUnreachable
        where that can't be said."""
        known = self._match(kid, algorithm) is not None
        # Who has his key leaves a fetch that is under way to whoever began it: an issuer that hangs would
        # otherwise make everybody wait.
        if not known or (self._older(self._fetched, FRESH) and not self._turn.locked()):
            async with self._turn:
                if self._older(self._tried, REST):
                    await self._fetch()
        if self._older(self._fetched, KEPT):
            self._keys = ()
        found = self._match(kid, algorithm)
        if found is None and self._trouble:
            raise KeysUnreachable(self._trouble)
        return found

    def _match(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        suited = [
            key
            for key in self._keys
            if key.algorithm_name == algorithm and (kid is None or key.key_id == kid)
        ]
        return suited[0] if len(suited) == 1 else None

    def _older(self, moment: float | None, seconds: float) -> bool:
        return moment is None or self._clock() - moment >= seconds

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT) as http:
                answer = await http.get(self._url)
                answer.raise_for_status()
            published = jwt.PyJWKSet.from_dict(answer.json()).keys
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            jwt.PyJWTError,
            ValueError,
            AttributeError,
            TypeError,
        ) as why:
            # Whatever is wrong with the answer: it is not a set of keys.
            self._trouble = f"{type(why).__name__}: {why}"
        else:
            self._keys = tuple(key for key in published if _is_ours(key))
            self._fetched, self._trouble = self._clock(), None
        self._tried = self._clock()


def _is_ours(key: jwt.PyJWK) -> bool:
    strong = not isinstance(key.key, RSAPublicKey) or key.key.key_size >= STRONG
    return strong and key.public_key_use in (None, "sig") and key.algorithm_name in ALGORITHMS
