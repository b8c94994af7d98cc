"""Tokens signed with keys that are published at a real address."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.web import serving
from services.gateway.adapters.published_keys import FRESH, KEPT, REST, PublishedKeys
from services.gateway.adapters.tokens import Tokens, Unauthorized, Uncheckable
from services.gateway.settings import TokenSettings
from tests.services.gateway.http.door import bearer, opened

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
    told: dict[str, str] = field(default_factory=dict)

    async def answer(self, _request: Request) -> Response:
        self.asked += 1
        return Response(self.content, self.status, media_type="application/json")

    def publishes(self, *keys: dict[str, Any]) -> None:
        self.content = json.dumps({"keys": keys}).encode()

    def tokens(self, **settings: str) -> Tokens:
        """With a clock that stands still until it is moved."""
        asked = TokenSettings(jwt_jwks_url=self.url, **settings)  # type: ignore[arg-type]
        return Tokens(asked, PublishedKeys(self.url, lambda: self.now))


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    async with _served(issuer):
        yield issuer


@asynccontextmanager
async def _served(issuer: Issuer) -> AsyncIterator[None]:
    async with serving(Starlette(routes=[Route("/keys", issuer.answer)]), "127.0.0.1", 0) as url:
        issuer.url = f"{url}/keys"
        yield


@pytest.mark.parametrize("token", [RS, ES], ids=["RS256", "ES256"])
async def test_a_token_of_a_published_key_is_good(issuer: Issuer, token: str) -> None:
    assert (await issuer.tokens().caller(token)).username == "Areg"


def confused() -> str:
    """HS256, with the published key's text as the secret."""
    text = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [{"typ": "JWT", "alg": "HS256", "kid": "rsa"}, {"username": "Areg", "exp": time.time() + 3600}]
    said = ".".join(jwt.utils.base64url_encode(json.dumps(part).encode()).decode() for part in parts)
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = algorithm.sign(said.encode(), text)
    return f"{said}.{jwt.utils.base64url_encode(signature).decode()}"


@pytest.mark.parametrize(
    "token",
    [
        confused(),
        signed(RSA, "RS256", "unknown"),
        signed(OTHER_RSA, "RS256", "rsa"),
        signed(RSA, "RS256", "ec"),
        signed(RSA, "RS512", "rsa"),
        signed(RSA, "PS256", "rsa"),
        signed(CURVE_P384, "ES384", "ec"),
        signed("x" * 40, "HS256", "rsa"),
        jwt.encode({"username": "Areg"}, "", algorithm="none"),
        "garbage",
        "a.b.c",
        "",
    ],
    ids=[
        "signed with the published key as a secret",
        "unknown key id",
        "another key",
        "key of another kind",
        "RS512",
        "PS256",
        "ES384",
        "HS256",
        "alg none",
        "garbage",
        "dots",
        "empty",
    ],
)
async def test_any_other_token_opens_nothing(issuer: Issuer, token: str) -> None:
    with pytest.raises(Unauthorized):
        await issuer.tokens().caller(token)


async def test_a_symmetric_key_and_one_to_encrypt_with_are_no_keys_of_ours(issuer: Issuer) -> None:
    secret = jwt.utils.base64url_encode(b"x" * 40).decode()
    issuer.publishes({"kty": "oct", "kid": "rsa", "k": secret}, published(EC, "ec", use="enc"))
    for token in (signed("x" * 40, "HS256", "rsa"), ES):
        with pytest.raises(Unauthorized):
            await issuer.tokens().caller(token)


async def test_a_token_without_a_key_id_is_checked_with_the_only_key_of_its_kind(issuer: Issuer) -> None:
    assert (await issuer.tokens().caller(signed(EC, "ES256", None))).username == "Areg"
    issuer.publishes(published(RSA, "one"), published(OTHER_RSA, "two"))
    with pytest.raises(Unauthorized):
        await issuer.tokens().caller(signed(RSA, "RS256", None))


async def test_audience_and_issuer_are_asked_where_they_are_set(issuer: Issuer) -> None:
    tokens = issuer.tokens(jwt_audience="darkroom", jwt_issuer="https://id.test")
    right = {"aud": "darkroom", "iss": "https://id.test"}
    assert (await tokens.caller(signed(EC, "ES256", "ec", **right))).username == "Areg"
    for wrong, reason in (
        ({**right, "aud": "another"}, "another audience"),
        ({**right, "iss": "https://other.test"}, "another issuer"),
        ({"iss": "https://id.test"}, "'aud'"),
        ({"aud": "darkroom"}, "'iss'"),
    ):
        with pytest.raises(Unauthorized, match=reason):
            await tokens.caller(signed(EC, "ES256", "ec", **wrong))


async def test_clocks_may_disagree_a_little(issuer: Issuer) -> None:
    tokens, now = issuer.tokens(), time.time()
    await tokens.caller(signed(EC, "ES256", "ec", exp=now - 20))
    await tokens.caller(signed(EC, "ES256", "ec", nbf=now + 20))
    for claims in ({"exp": now - 40}, {"nbf": now + 60}):
        with pytest.raises(Unauthorized):
            await tokens.caller(signed(EC, "ES256", "ec", **claims))


async def test_keys_are_fetched_once_and_again_when_they_are_old(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    for _ in range(3):
        await tokens.caller(RS)
    assert issuer.asked == 1
    issuer.now += FRESH
    await tokens.caller(RS)
    assert issuer.asked == 2


async def test_a_new_key_is_known_at_its_first_token_and_invented_ones_are_not_asked_for_each(
    issuer: Issuer,
) -> None:
    tokens, new = issuer.tokens(), signed(OTHER_RSA, "RS256", "new")
    await tokens.caller(RS)
    for number in range(5):
        with pytest.raises(Unauthorized):
            await tokens.caller(signed(OTHER_RSA, "RS256", f"invented-{number}"))
    assert issuer.asked == 1
    issuer.publishes(published(OTHER_RSA, "new"))
    issuer.now += REST
    assert (await tokens.caller(new)).username == "Areg"
    with pytest.raises(Unauthorized):
        await tokens.caller(RS)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, b"oops"),
        (302, b""),
        (200, b"not JSON"),
        (200, b"[]"),
        (200, b'{"keys": 7}'),
        (200, b'{"keys": []}'),
    ],
)
async def test_an_issuer_that_fails_is_our_trouble_until_it_is_back(
    issuer: Issuer, status: int, content: bytes
) -> None:
    tokens, good = issuer.tokens(), issuer.content
    issuer.status, issuer.content = status, content
    for _ in range(3):
        with pytest.raises(Uncheckable):
            await tokens.caller(RS)
    assert issuer.asked == 1
    issuer.status, issuer.content = 200, good
    issuer.now += REST
    assert (await tokens.caller(RS)).username == "Areg"


async def test_known_keys_stay_good_while_their_issuer_is_away_but_not_for_ever(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    await tokens.caller(RS)
    issuer.status = 503
    issuer.now += KEPT - 1
    assert (await tokens.caller(RS)).username == "Areg"
    with pytest.raises(Uncheckable):
        await tokens.caller(signed(OTHER_RSA, "RS256", "new"))
    issuer.now += 1
    with pytest.raises(Uncheckable):
        await tokens.caller(RS)


async def test_nobody_at_the_address_is_a_503_that_says_so(tmp_path: Any) -> None:
    issuer = Issuer()
    async with _served(issuer):
        pass
    async with opened(tmp_path, JWT_SECRET="", JWT_JWKS_URL=issuer.url) as door:
        answer = await door.by("Areg").get("/v1/batches", headers=bearer(RS))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "keys" in answer.json()["detail"]
        assert "127.0.0.1" not in answer.text
        assert int(answer.headers["Retry-After"]) > 0
        forged = await door.by("Areg").get("/v1/batches")
        assert forged.status_code == 401


async def test_the_gateway_lets_in_who_has_a_published_key(tmp_path: Any, issuer: Issuer) -> None:
    async with opened(tmp_path, JWT_SECRET="", JWT_JWKS_URL=issuer.url) as door:
        for token, status in ((RS, 200), (ES, 200), (confused(), 401), ("x", 401)):
            answer = await door.areg.get("/v1/batches", headers=bearer(token))
            assert answer.status_code == status
