"""Every route, walked by back ends whose tokens say one by one what they may do."""

import pytest

from services.gateway.domain.callers import SCOPES
from tests.services.gateway.http.door import Door, bearer, token
from tests.services.gateway.http.routes import IN_ORDER, ROUTES, Things, call, documented, things_of_areg

SERVICE = "shop@backend"
#: Of each call, method and path: the document is the same at every door.
PATHS: dict[str, tuple[str, str]] = {}


def everything_but(*scopes: str) -> str:
    return " ".join(scope for scope in SCOPES if scope not in scopes)


@pytest.fixture
async def things(door: Door) -> Things:
    return await things_of_areg(door, premade=False)


async def walked(door: Door, things: Things, name: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """How a call that is right in itself is answered: status, headers, body."""
    method, path = PATHS[name] if name in PATHS else await learnt(door, name)
    make = ROUTES[name].body
    body = make(things, "a shop's user") if make else None
    answer = await call(door.by("nobody"), method, path.format(**things), body, **headers)
    return answer.status_code, dict(answer.headers), answer.text


async def learnt(door: Door, name: str) -> tuple[str, str]:
    PATHS.update({each: (method, path) for each, (method, path, _) in (await documented(door)).items()})
    return PATHS[name]


async def test_a_service_with_the_scope_acts_for_the_owner_on_every_route(door: Door, things: Things) -> None:
    for name in IN_ORDER:
        scope = ROUTES[name].scope
        said = {**bearer(token(SERVICE, scope=f"act-as {scope}")), "X-On-Behalf-Of": "Areg"}
        status, _, text = await walked(door, things, name, **said)
        assert status == ROUTES[name].owner, (name, text)


async def test_a_user_with_the_scope_alone_is_served_on_every_route(door: Door, things: Things) -> None:
    for name in IN_ORDER:
        status, _, text = await walked(door, things, name, **bearer(token(scope=ROUTES[name].scope)))
        assert status == ROUTES[name].owner, (name, text)


async def test_a_service_without_the_scope_is_refused_on_every_route_and_told_which(
    door: Door, things: Things
) -> None:
    for name, each in ROUTES.items():
        for said in {everything_but(each.scope), "operate", "act-as", "premade-d", ""} - {each.scope}:
            headers = {**bearer(token(SERVICE, scope=f"act-as {said}")), "X-On-Behalf-Of": "Areg"}
            status, answered, text = await walked(door, things, name, **headers)
            assert status == 403, (name, said, text)
            assert f'scope="{each.scope}"' in answered["www-authenticate"], name


async def test_nobody_acts_for_another_without_being_told_to(door: Door, things: Things) -> None:
    for name in ROUTES:
        for scope in (None, everything_but("act-as")):
            signed = token("Nare", scope=scope)
            status, answered, text = await walked(
                door, things, name, **bearer(signed), **{"X-On-Behalf-Of": "Areg"}
            )
            assert status == 403, (name, text)
            assert 'scope="act-as"' in answered["www-authenticate"], name


async def test_a_service_that_acts_for_another_sees_no_more_than_he_would(door: Door, things: Things) -> None:
    signed = token(SERVICE, scope=everything_but())
    for name, each in ROUTES.items():
        if each.hides:
            said = {**bearer(signed), "X-On-Behalf-Of": "Nare"}
            status, _, text = await walked(door, things, name, **said)
            assert status == 404, (name, text)


async def test_what_a_service_makes_is_its_users(door: Door) -> None:
    headers = {**bearer(token(SERVICE, scope="act-as characters:write")), "X-On-Behalf-Of": "Nare"}
    made = await door.by("nobody").post("/v1/characters", json={"name": "Moss"}, headers=headers)
    assert (made.status_code, made.json()["owner"]) == (201, "Nare")
    assert (await door.by("Nare").get(made.headers["Location"])).status_code == 200


@pytest.mark.parametrize("behalf", ["", "v2", "../Areg", "Areg Nare", "ab_cd"])
async def test_a_service_acts_for_nobody_whose_name_cannot_be_a_folder(door: Door, behalf: str) -> None:
    headers = {**bearer(token(SERVICE, scope="act-as batches:read")), "X-On-Behalf-Of": behalf}
    answer = await door.by("nobody").get("/v1/batches", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "twice",
    [
        [("Authorization", f"Bearer {token()}"), ("Authorization", f"Bearer {token('Nare')}")],
        [("Authorization", f"Bearer {token()}"), *2 * [("X-On-Behalf-Of", "Areg")]],
    ],
    ids=["token", "user"],
)
async def test_a_header_that_two_readers_could_read_differently_is_refused(
    door: Door, twice: list[tuple[str, str]]
) -> None:
    answer = await door.areg.request("GET", "/v1/batches", headers=twice)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert "twice" in answer.json()["detail"]
