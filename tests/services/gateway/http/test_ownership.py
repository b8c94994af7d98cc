"""Every route of the OpenAPI document, walked by every kind of caller."""

import base64
import json
import time
from typing import Any

import httpx
import jwt
import pytest

from contracts.events import IndicesReserved
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import SECRET, Door, bearer, token

OTHER_SECRET = "another secret, as long as it has to be"
AREG = {"username": "Areg", "exp": 4_000_000_000}


def unsigned(**header: str) -> str:
    parts = [{"typ": "JWT", **header}, AREG]
    said = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*said, ""])


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


#: Of each call that names something: what its owner, somebody else, and somebody else of a premade
#: character's thing are answered.
OWNED: dict[str, tuple[int, int, int]] = {
    "generateImages": (202, 404, 202),
    "listCharacterImages": (200, 404, 200),
    "getCharacter": (200, 404, 200),
    "askForBatch": (202, 404, 202),
    "putBatch": (202, 404, 202),
    "getBatch": (200, 404, 404),
    "streamBatchEvents": (200, 404, 404),
    "cancelBatch": (200, 404, 404),
    "retryBatch": (202, 404, 404),
}
#: Calls that name nothing of anybody: what everybody is answered.
FREE = {"registerCharacter": 201, "listCharacters": 200, "listBatches": 200}


async def operations(door: Door) -> dict[str, tuple[str, str]]:
    async with httpx.AsyncClient(base_url=door.url) as http:
        document = (await http.get("/openapi.json")).json()
    return {
        operation["operationId"]: (method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


async def call(
    http: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None, **headers: str
) -> httpx.Response:
    said = httpx.Headers({"Prefer": "respond-async", **headers}, encoding="latin-1")
    return await http.request(method, path, json=body, headers=said)


def filled(path: str, things: dict[str, str]) -> str:
    return path.format(**things)


def body_of(operation: str, things: dict[str, str], user: str) -> dict[str, Any] | None:
    """A body that is right in itself."""
    bodies: dict[str, dict[str, Any]] = {
        "generateImages": {"characterId": things["character_id"], "prompt": "x"},
        "registerCharacter": {"name": f"New of {user}"},
        "askForBatch": {"prompt": "x"},
        "putBatch": {"prompt": "x", "character_id": things["character_id"]},
    }
    return bodies.get(operation)


async def things_of_areg(door: Door, premade: bool) -> dict[str, str]:
    """A character of his, a premade one or his own, and a batch of it that can be retried."""
    name = "Everybodys" if premade else "Opal Fever"
    character_id = await door.character(name, premade=premade)

    def one_fails(event: IndicesReserved) -> Any:
        return [peer.stored(event, 0), peer.failed(event, 1)]

    door.peer.script = one_fails
    made = await door.batch(character_id)
    await door.peer.bus.settled()
    while (await door.seen(made["id"]))["completed_at"] is None:
        await door.peer.reserved()
    return {"character_id": character_id, "batch_id": made["id"], "client_id": f"own-{premade}"}


async def test_every_route_is_walked(door: Door) -> None:
    assert set(await operations(door)) == set(OWNED) | set(FREE)


async def test_no_route_lets_a_stranger_in(door: Door) -> None:
    things = await things_of_areg(door, premade=False)
    async with httpx.AsyncClient(base_url=door.url) as http:
        for operation, (method, path) in (await operations(door)).items():
            for stranger, (headers, status) in strangers().items():
                body = body_of(operation, things, "nobody")
                answer = await call(http, method, filled(path, things), body, **headers)
                told = (operation, stranger, answer.text)
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
    things = await things_of_areg(door, premade)
    nare = 2 if premade else 1
    for operation, (method, path) in (await operations(door)).items():
        expected = OWNED.get(operation, (FREE.get(operation, 0),) * 3)
        body = body_of(operation, things, "Nare")
        hers = await call(door.by("Nare"), method, filled(path, things), body)
        assert hers.status_code == expected[nare], (operation, hers.text)
    # The stream ends while the batch has ended, and a batch can be retried while it is not being cancelled.
    first = ["streamBatchEvents", "retryBatch"]
    for operation in [*first, *(OWNED.keys() - first)]:
        method, path = (await operations(door))[operation]
        his = await call(door.areg, method, filled(path, things), body_of(operation, things, "Areg"))
        assert his.status_code == OWNED[operation][0], (operation, his.text)


async def test_what_is_somebody_elses_sounds_like_what_is_not_there(door: Door) -> None:
    things = await things_of_areg(door, premade=False)
    nothing = dict.fromkeys(things, "bat_0")
    known = await operations(door)
    for operation in OWNED:
        if operation == "putBatch":
            continue
        method, path = known[operation]
        hidden, missing = [
            await call(door.by("Nare"), method, filled(path, these), body_of(operation, these, "Nare"))
            for these in (things, nothing)
        ]
        told = [answer.json() for answer in (hidden, missing)]
        assert told[0]["detail"] == told[1]["detail"]
        assert set(told[0]) == set(told[1])


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
