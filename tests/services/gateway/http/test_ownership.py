"""Every route of the OpenAPI document, walked by every kind of caller."""

import base64
import hmac
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from starlette.routing import Route

from chassis.web import Readiness
from services.gateway.adapters.http.app import ROUTERS, build
from services.gateway.adapters.http.desk import Guarded
from services.gateway.adapters.http.document import Application
from services.gateway.adapters.http.envelope import Envelope
from tests.services.gateway.http.door import SECRET, Door, bearer, token
from tests.services.gateway.http.routes import IN_ORDER, ROUTES, call, documented, things_of_areg

OTHER_SECRET = "another secret, as long as it has to be"
AREG = {"username": "Areg", "exp": 4_000_000_000}
#: What is there for everybody, by the first part of its path.
OPEN = {"", "openapi.json", "health", "ready", "metrics", "docs"}


def header(algorithm: str) -> bytes:
    return json.dumps({"typ": "JWT", "alg": algorithm}).encode()


def compact(*parts: bytes, signature: str = "") -> str:
    said = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
    return ".".join([*said, signature])


def unsigned(**head: Any) -> str:
    return compact(json.dumps({"typ": "JWT", **head}).encode(), json.dumps(AREG).encode())


def signed(claims: Any, head: dict[str, Any] | None = None) -> str:
    """With the right secret, whatever the claims are."""
    said = compact(
        json.dumps({"typ": "JWT", "alg": "HS256", **(head or {})}).encode(),
        json.dumps(claims).encode(),
    ).removesuffix(".")
    sealed = hmac.digest(SECRET.encode(), said.encode(), "sha256")
    return f"{said}.{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"


def with_algorithm(algorithm: str) -> str:
    return jwt.encode(AREG, SECRET * 2, algorithm=algorithm)


def strangers() -> dict[str, tuple[dict[str, str], int]]:
    """Callers that no route lets in, with what they are told."""
    now = time.time()
    return {
        "nobody": ({}, 401),
        "basic": ({"Authorization": "Basic QXJlZzpvcGFs"}, 401),
        "an empty token": ({"Authorization": "Bearer"}, 401),
        "garbage": (bearer("garbage"), 401),
        "garbage that is no ASCII": ({"Authorization": b"Bearer \xff\xfe.\xe9.x".decode("latin-1")}, 401),
        "expired": (bearer(token(exp=now - 31)), 401),
        "wrong signature": (bearer(token(secret=OTHER_SECRET)), 401),
        "cut off": (bearer(token()[:-3]), 401),
        "alg none": (bearer(unsigned(alg="none")), 401),
        "alg NoNe": (bearer(unsigned(alg="NoNe")), 401),
        "HS512": (bearer(with_algorithm("HS512")), 401),
        "no exp": (bearer(token(exp=None)), 401),
        "exp is no number": (bearer(token(exp="tomorrow")), 401),
        "exp is a number in words": (bearer(token(exp="4000000000")), 401),
        "exp is true": (bearer(signed({**AREG, "exp": True})), 401),
        "exp is before all time": (bearer(token(exp=-1)), 401),
        "exp is beyond all time": (bearer(signed({**AREG, "exp": 10**400})), 401),
        "exp is infinite": (bearer(signed({**AREG, "exp": float("inf")})), 401),
        "exp is not a number": (bearer(signed({**AREG, "exp": float("nan")})), 401),
        "nbf is a number in words": (bearer(token(nbf="0")), 401),
        "iat is a list": (bearer(token(iat=[0])), 401),
        "scope is a number": (bearer(token(scope=7)), 401),
        "claims are a list": (bearer(signed([AREG])), 401),
        "claims are nested without end": (bearer(compact(header("HS256"), b"[" * 5000)), 401),
        "header is nested without end": (bearer(compact(b"[" * 5000, b"{}")), 401),
        "brings its own key": (bearer(unsigned(alg="HS256", jwk={"kty": "oct", "k": "eA"})), 401),
        "says where its key is": (bearer(unsigned(alg="HS256", jku="http://127.0.0.1:1/", kid="x")), 401),
        "says where its chain is": (bearer(unsigned(alg="RS256", x5u="http://127.0.0.1:1/")), 401),
        "asks for what nobody knows": (bearer(signed(AREG, {"crit": ["exp2"], "exp2": 1})), 401),
        "has its claims elsewhere": (bearer(signed(AREG, {"b64": False, "crit": ["b64"]})), 401),
        "key id is a path": (bearer(unsigned(alg="HS256", kid="../../dev/null")), 401),
        "key id is a list": (bearer(unsigned(alg="HS256", kid=["x"])), 401),
        "algorithm is a list": (bearer(unsigned(alg=["HS256"])), 401),
        "algorithm said twice": (bearer(compact(b'{"alg":"HS256","alg":"none"}', b"{}")), 401),
        "not yet valid": (bearer(token(nbf=now + 300)), 401),
        "issued tomorrow": (bearer(token(iat=now + 86400)), 401),
        "names nobody": (bearer(token(None)), 401),
        "name is a number": (bearer(token(7)), 401),
        "name is a list": (bearer(token(["Areg"])), 401),
        "name climbs": (bearer(token("../Nare")), 403),
        "name is a version": (bearer(token("v2")), 403),
        "name has a NUL": (bearer(token("Areg\0")), 403),
        "name reads as a transformation": (bearer(token("ab_cd")), 403),
        "name is not ASCII": (bearer(token("Արեգ")), 403),
    }


async def test_every_route_is_walked(door: Door) -> None:
    known = await documented(door)
    assert {name: operation["security"] for name, (_, _, operation) in known.items()} == {
        name: [{"token": [each.scope]}] for name, each in ROUTES.items()
    }
    routes = [route for router in ROUTERS for route in router.routes]
    assert all(isinstance(route, Guarded) for route in routes)
    assert {route.operation_id for route in routes if isinstance(route, Guarded)} == set(ROUTES)


async def test_what_needs_no_token_shows_nothing_of_anybody(door: Door) -> None:
    app = build(door.service, Readiness({}), "")  # type: ignore[arg-type]  # never called
    assert isinstance(app, Envelope)
    assert isinstance(app.inside, Application)
    routes = [route for route in app.inside.routes if isinstance(route, Route)]
    assert {route.path.partition("/")[2].partition("/")[0] for route in routes} == OPEN
    things = await things_of_areg(door, premade=False)
    async with httpx.AsyncClient(base_url=door.url) as http:
        for route in routes:
            answer = await http.get(route.path)
            assert answer.status_code == 200, route.path
            assert things["batch_id"] not in answer.text, route.path
            assert things["character_id"] not in answer.text, route.path


async def test_no_route_lets_a_stranger_in(door: Door) -> None:
    things = await things_of_areg(door, premade=False)
    async with httpx.AsyncClient(base_url=door.url) as http:
        for name, (method, path, _) in (await documented(door)).items():
            make = ROUTES[name].body
            for stranger, (headers, status) in strangers().items():
                body = make(things, "nobody") if make else None
                answer = await call(http, method, path.format(**things), body, **headers)
                told = (name, stranger, answer.text)
                assert answer.status_code == status, told
                assert answer.json()["code"] == ("unauthorized" if status == 401 else "forbidden"), told
                assert ("WWW-Authenticate" in answer.headers) == (status == 401), told


async def test_a_stranger_learns_nothing_of_what_he_sent(door: Door) -> None:
    """Also what can't be read is first a matter of who sends it."""
    async with httpx.AsyncClient(base_url=door.url) as http:
        for content in (b"{", b"\xff", b"x" * 2_000_000):
            answer = await http.post("/v1/characters", content=content)
            assert answer.status_code == 401


@pytest.mark.parametrize("premade", [False, True], ids=["own", "premade"])
async def test_every_route_knows_whose_things_are_whose(door: Door, premade: bool) -> None:
    things, known = await things_of_areg(door, premade), await documented(door)
    for user in ("Nare", "Areg"):
        for name in IN_ORDER:
            method, path, _ = known[name]
            each = ROUTES[name]
            body = each.body(things, user) if each.body else None
            answer = await call(door.by(user, each.named), method, path.format(**things), body)
            hers = each.premade if premade else each.other
            assert answer.status_code == (hers if user == "Nare" else each.owner), (name, user, answer.text)


async def test_what_is_somebody_elses_sounds_like_what_is_not_there(door: Door) -> None:
    things, known = await things_of_areg(door, premade=False), await documented(door)
    nothing = dict.fromkeys(things, "bat_0")
    for name, each in ROUTES.items():
        if not each.hides:
            continue
        method, path, _ = known[name]
        hidden, missing = [
            await call(
                door.by("Nare"), method, path.format(**these), each.body(these, "Nare") if each.body else None
            )
            for these in (things, nothing)
        ]
        # A batch may be asked for under any id of one's own: there the character is what is not there.
        assert hidden.status_code == missing.status_code == 404, name
        told = [answer.json() for answer in (hidden, missing)]
        for body in told:
            del body["instance"], body["request_id"]
        assert told[0] == told[1], name
        kept = [set(answer.headers) for answer in (hidden, missing)]
        assert kept[0] == kept[1], name


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody"},
        {"username": None, "sub": "Areg"},
        {"sub": 7},
        {"username": "", "sub": "Areg"},
    ],
    ids=str,
)
async def test_a_token_may_say_more_than_is_asked_and_name_its_user_in_two_ways(
    door: Door, claims: dict[str, Any]
) -> None:
    async with httpx.AsyncClient(base_url=door.url, headers=bearer(token(**claims))) as http:
        assert (await http.get("/v1/batches")).status_code == 200


@pytest.mark.parametrize("claim", [("exp", -20), ("nbf", 20), ("iat", 20)], ids=str)
async def test_clocks_may_disagree_a_little(door: Door, claim: tuple[str, int]) -> None:
    name, seconds = claim
    said: dict[str, Any] = {name: time.time() + seconds}
    async with httpx.AsyncClient(base_url=door.url, headers=bearer(token(**said))) as http:
        assert (await http.get("/v1/batches")).status_code == 200
