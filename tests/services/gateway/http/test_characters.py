"""Who can be pictured."""

from contracts.commands import GenerateBatch, OpenFolder
from tests.services.gateway.http.door import Door

BODY = {"name": "Opal Fever", "embedding": "opal_fever", "style": "noir"}


async def test_a_registered_character_is_told_whole_and_opens_its_folder(door: Door) -> None:
    answer = await door.areg.post("/v1/characters", json=BODY)
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/characters/{body['id']}"
    assert body.pop("created_at").endswith("Z")
    assert body.pop("id").startswith("chr_")
    assert body == {
        **BODY,
        "slug": "opal-fever",
        "collection": "characters",
        "owner": "Areg",
        "premade": False,
        "private": False,
    }
    assert (await door.peer.hears(OpenFolder)).folder == "Areg/characters/opal-fever/images"


async def test_a_private_character_stays_one_and_its_batches_say_so(door: Door) -> None:
    character_id = await door.character(private=True)
    assert (await door.areg.get(f"/v1/characters/{character_id}")).json()["private"] is True
    await door.batch(character_id)
    assert (await door.peer.hears(GenerateBatch)).character.private is True


async def test_a_character_is_found_where_its_location_says(door: Door) -> None:
    made = await door.areg.post("/v1/characters", json=BODY)
    assert (await door.areg.get(made.headers["Location"])).json() == made.json()


async def test_a_name_that_makes_a_taken_slug_is_refused(door: Door) -> None:
    await door.character("Opal Fever")
    answer = await door.areg.post("/v1/characters", json={"name": "opal FEVER!"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "slug_taken")
    assert problem["errors"][0]["pointer"] == "/name"
    assert "opal-fever" in problem["detail"]


async def test_two_owners_may_use_the_same_name_and_one_owner_in_both_collections(door: Door) -> None:
    ids = {
        await door.character(),
        await door.character(username="Nare"),
        await door.character(premade=True),
    }
    assert len(ids) == 3


async def test_a_premade_slug_is_taken_for_everybody(door: Door) -> None:
    await door.character(premade=True)
    nare = door.by("Nare", "premade")
    answer = await nare.post("/v1/characters", json={"name": "Opal Fever", "premade": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken")


async def test_a_premade_character_needs_a_scope(door: Door) -> None:
    answer = await door.areg.post("/v1/characters", json={**BODY, "premade": True})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="premade"'
    allowed = await door.by("Areg", "characters:write premade").post(
        "/v1/characters", json={**BODY, "premade": True}
    )
    assert allowed.json()["collection"] == "premade_characters"


async def test_a_name_that_can_be_no_folder_is_refused(door: Door) -> None:
    for name in ("オパール", "v2", "---", "x" * 120):
        answer = await door.areg.post("/v1/characters", json={"name": name})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_character")
        assert answer.json()["errors"][0]["pointer"] == "/name"


async def test_a_list_holds_the_callers_own_and_the_premade_ones(door: Door) -> None:
    mine = await door.character("Mine")
    await door.character("Hers", username="Nare")
    everybodys = await door.character("Everybodys", username="Nare", premade=True)
    page = (await door.areg.get("/v1/characters")).json()
    assert {item["id"] for item in page["items"]} == {mine, everybodys}
    assert (page["next_cursor"], page["has_more"]) == (None, False)


async def test_a_list_is_walked_by_cursor_and_by_link(door: Door) -> None:
    made = {await door.character(f"Character {number}") for number in range(5)}
    seen: list[str] = []
    answer = await door.areg.get("/v1/characters", params={"limit": 2})
    while True:
        page = answer.json()
        seen += [item["id"] for item in page["items"]]
        if not page["has_more"]:
            break
        assert len(page["items"]) == 2
        assert page["next_cursor"] in answer.links["next"]["url"]
        answer = await door.areg.get(answer.links["next"]["url"])
    assert "Link" not in answer.headers
    assert len(seen) == len(set(seen)) == 5
    assert set(seen) == made


async def test_somebody_elses_character_does_not_exist(door: Door) -> None:
    hers = await door.character(username="Nare")
    answer = await door.areg.get(f"/v1/characters/{hers}")
    unknown = await door.areg.get("/v1/characters/chr_0")
    assert answer.status_code == unknown.status_code == 404
    assert answer.json()["detail"] == unknown.json()["detail"]
