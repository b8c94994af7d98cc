"""More than a user, or everybody, may have under way is refused before it is accepted."""

from pathlib import Path

from contracts.commands import GenerateBatch
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import opened
from tests.services.gateway.http.wishes import GENERATE, ask


async def test_who_has_too_many_images_under_way_is_told_to_wait(tmp_path: Path) -> None:
    async with opened(tmp_path, IMAGES_PER_USER="5") as door:
        door.peer.script = peer.nothing
        assert (await ask(door, quantity=4)).status_code == 202
        answer = await ask(door, quantity=2)
        assert (answer.status_code, answer.json()["code"], answer.json()["limit"]) == (
            429,
            "too_many_images",
            5,
        )
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["RateLimit-Policy"] == '"too_many_images";q=5'
        assert answer.headers["RateLimit"] == '"too_many_images";r=1;t=30'
        event = await door.peer.reserved()
        await door.peer.says(peer.stored(event, 0))
        assert (await ask(door, quantity=2)).status_code == 202
        await door.peer.hears(GenerateBatch, 2)


async def test_more_than_can_ever_be_under_way_is_no_matter_of_waiting(tmp_path: Path) -> None:
    async with opened(tmp_path, IMAGES_PER_USER="5") as door:
        answer = await ask(door, quantity=6)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_quantity")
        assert answer.json()["errors"][0]["pointer"] == "/quantity"


async def test_who_asks_too_often_is_told_to_wait(tmp_path: Path) -> None:
    async with opened(tmp_path, BATCHES_PER_MINUTE="2") as door:
        answers = [await ask(door) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 429]
        assert answers[2].json()["code"] == "too_many_batches"
        assert 1 <= int(answers[2].headers["Retry-After"]) <= 60
        assert answers[2].headers["RateLimit-Policy"] == '"too_many_batches";q=2;w=60'
        character_id = (await door.areg.get("/v1/characters")).json()["items"][0]["id"]
        old = await door.areg.post(GENERATE, json={"characterId": character_id, "prompt": "x"})
        assert old.status_code == 429


async def test_a_full_queue_refuses_everybody_before_it_accepts(tmp_path: Path) -> None:
    async with opened(tmp_path, IMAGES_IN_ALL="5") as door:
        door.peer.script = peer.nothing
        character_id = await door.character(premade=True)
        path = f"/v1/characters/{character_id}/batches"
        asked = [
            await door.by(user).post(path, json={"prompt": "x", "quantity": 3}) for user in ("Areg", "Nare")
        ]
        assert [answer.status_code for answer in asked] == [202, 503]
        assert asked[1].json()["code"] == "queue_full"
        assert int(asked[1].headers["Retry-After"]) > 0
        assert (await door.by("Nare").get("/v1/batches")).json()["items"] == []


async def test_a_retry_is_refused_where_there_is_no_room(tmp_path: Path) -> None:
    async with opened(tmp_path, IMAGES_PER_USER="2") as door:
        door.peer.script = lambda event: [peer.failed(event, ordinal) for ordinal in range(event.quantity)]
        made = (await ask(door, quantity=2)).json()
        await door.peer.reserved()
        await door.seen(made["id"])
        door.peer.script = peer.nothing
        assert (await ask(door)).status_code == 202
        answer = await door.areg.post(made["urls"]["retry"])
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_images")
