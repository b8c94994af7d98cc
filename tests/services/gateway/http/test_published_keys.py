"""Tokens signed with keys that are published at a real address."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.gateway.adapters.published_keys import FRESH, KEPT, REST
from services.gateway.adapters.tokens import Unauthorized, Uncheckable
from tests.services.gateway.http.door import bearer, opened
from tests.services.gateway.http.issuer import (
    CURVE_P384,
    EC,
    ES,
    OTHER_RSA,
    RS,
    RSA,
    Issuer,
    published,
    served,
    signed,
    with_header,
)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    async with served(issuer):
        yield issuer


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
        with_header(OTHER_RSA, {"kid": "elsewhere", "jku": "http://127.0.0.1:1/keys"}),
        with_header(OTHER_RSA, {"kid": "elsewhere", "x5u": "http://127.0.0.1:1/chain"}),
        with_header(OTHER_RSA, {"kid": "rsa", "jwk": published(OTHER_RSA, "rsa")}),
        with_header(RSA, {"kid": "rsa", "crit": ["exp2"], "exp2": 1}),
        with_header(RSA, {"kid": "' OR 1=1 --"}),
        with_header(RSA, {"kid": "../../../dev/null"}),
        with_header(RSA, {"kid": "x" * 5000}),
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
        "says where its key is",
        "says where its chain is",
        "brings its own key",
        "asks for what nobody knows",
        "key id is SQL",
        "key id is a path",
        "key id is huge",
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


async def test_a_key_that_is_too_short_to_be_safe_is_none(issuer: Issuer) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    issuer.publishes(published(weak, "weak"), published(EC, "ec"))
    tokens = issuer.tokens()
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        signed_with_it = signed(weak, "RS256", "weak")
    with pytest.raises(Unauthorized):
        await tokens.caller(signed_with_it)
    assert (await tokens.caller(ES)).username == "Areg"


async def test_a_key_that_was_taken_back_opens_nothing_once_the_set_is_old(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    await tokens.caller(RS)
    issuer.publishes(published(EC, "ec"))
    issuer.now += FRESH
    with pytest.raises(Unauthorized):
        await tokens.caller(RS)


async def test_an_issuer_that_hangs_makes_one_caller_wait_and_not_everybody(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    await tokens.caller(RS)
    issuer.now += FRESH
    issuer.hangs = asyncio.Event()
    first = asyncio.create_task(tokens.caller(RS))
    while issuer.asked < 2:  # noqa: ASYNC110  the issuer tells nobody that it was asked
        await asyncio.sleep(0.01)
    async with asyncio.timeout(2):
        others = await asyncio.gather(*(tokens.caller(each) for each in (RS, ES, RS)))
    assert [caller.username for caller in others] == ["Areg"] * 3
    assert not first.done()
    issuer.hangs.set()
    assert (await first).username == "Areg"
    assert issuer.asked == 2


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
    async with served(issuer):
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
