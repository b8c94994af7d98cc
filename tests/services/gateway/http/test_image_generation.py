"""The two calls that the product has always made, in their exact shapes."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from contracts.commands import GenerateBatch
from contracts.events import IndicesReserved
from contracts.message import Message
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door, opened

GENERATE = "/api/image-generation/generate"
FOLDER = "Areg/characters/opal-fever/images"


def url(index: int) -> str:
    return f"https://images.test/{FOLDER}/Areg_opal-fever_image_{index}.png"


def shown(index: int, status: str = "succeeded", error: str | None = None) -> dict[str, Any]:
    there = status in ("succeeded", "placeholder")
    return {
        "index": index,
        "url": url(index) if there else None,
        "publicId": f"{FOLDER}/Areg_opal-fever_image_{index}" if there else None,
        "status": status,
        "placeholder": status == "placeholder",
        "error": error,
    }


async def generate(door: Door, character_id: str, prefer: str | None = None, **more: Any) -> Any:
    headers = {"Prefer": prefer} if prefer else {}
    wish = {"characterId": character_id, "prompt": "on a rooftop", **more}
    return await door.areg.post(GENERATE, json=wish, headers=headers)


async def told(door: Door, character_id: str, quantity: int, *steps: peer.Script) -> Any:
    """The answer, where the neighbours speak one after the other."""
    door.peer.script = peer.nothing
    asking = asyncio.create_task(generate(door, character_id, quantity=quantity))
    event = await door.peer.reserved()
    for step in steps:
        await door.peer.says(*step(event))
    return await asking


async def test_images_come_back_highest_index_first_in_the_shape_of_old(door: Door) -> None:
    answer = await generate(door, await door.character(), quantity=3, style="noir")
    assert answer.status_code == 200
    body = answer.json()
    batch_id = body["data"].pop("batchId")
    assert batch_id.startswith("bat_")
    assert body == {
        "success": True,
        "data": {
            "imageUrl": url(3),
            "imageUrls": [url(3), url(2), url(1)],
            "generatedCount": 3,
            "usedEmbedding": False,
            "prompt": "on a rooftop",
            "style": "noir",
            "images": [shown(3), shown(2), shown(1)],
        },
    }


async def test_a_wish_without_numbers_is_one_portrait(door: Door) -> None:
    await generate(door, await door.character())
    asked = await door.peer.hears(GenerateBatch)
    assert (asked.quantity, asked.width, asked.height) == (1, 1024, 1536)
    assert (asked.negative_prompt, asked.seed, asked.style) == ("", None, None)
    assert (asked.workflow, asked.on_failure, asked.username) == ("portrait", "placeholder", "Areg")


@pytest.mark.parametrize("name", ["quantity", "numImages"])
async def test_the_number_of_images_has_two_names(door: Door, name: str) -> None:
    wish: dict[str, Any] = {name: 2}
    answer = await generate(door, await door.character(), **wish)
    assert answer.json()["data"]["generatedCount"] == 2


async def test_everything_that_is_asked_for_travels_on(door: Door) -> None:
    wish: dict[str, Any] = {"width": 512, "height": 768, "seed": 2**64 - 1, "negativePrompt": "blurry"}
    await generate(door, await door.character(), **wish, style="noir", someOldField={"x": 1})
    asked = await door.peer.hears(GenerateBatch)
    assert (asked.width, asked.height, asked.seed) == (512, 768, 2**64 - 1)
    assert (asked.negative_prompt, asked.style) == ("blurry", "noir")


async def test_absent_and_null_are_the_same(door: Door) -> None:
    answer = await generate(door, await door.character(), style=None, negativePrompt=None, seed=None)
    assert answer.status_code == 200
    assert (await door.peer.hears(GenerateBatch)).negative_prompt == ""


async def test_placeholders_are_among_the_urls_and_not_among_the_count(door: Door) -> None:
    answer = await told(
        door,
        await door.character(),
        2,
        lambda event: [peer.failed(event, 1, placeholder_follows=True)],
        lambda event: [peer.stored(event, 0), peer.blank(event, 1)],
    )
    data = answer.json()["data"]
    assert data["imageUrls"] == [url(2), url(1)]
    assert data["imageUrl"] == url(2)
    assert data["generatedCount"] == 1
    assert data["images"] == [shown(2, "placeholder", "no such model"), shown(1)]


async def test_an_image_that_left_nothing_has_no_url(door: Door) -> None:
    door.peer.script = lambda event: [peer.stored(event, 0), peer.failed(event, 1)]
    data = (await generate(door, await door.character(), quantity=2)).json()["data"]
    assert data["imageUrls"] == [url(1)]
    assert data["images"] == [shown(2, "failed", "no such model"), shown(1)]


@pytest.mark.parametrize(("second", "used"), [(True, True), (False, False)])
async def test_the_embedding_was_used_if_every_real_image_used_it(
    door: Door, second: bool, used: bool
) -> None:
    def script(event: IndicesReserved) -> Sequence[Message]:
        made = [peer.stored(event, 0, used_embedding=True), peer.stored(event, 1, used_embedding=second)]
        return [*made, peer.blank(event, 2)]

    door.peer.script = script
    data = (await generate(door, await door.character(embedding="opal"), quantity=3)).json()["data"]
    assert data["usedEmbedding"] is used


async def test_whoever_prefers_not_to_wait_gets_a_link(door: Door) -> None:
    door.peer.script = peer.nothing
    answer = await generate(door, await door.character(), prefer="respond-async")
    body = answer.json()
    batch_id = body["data"]["batchId"]
    link = f"/v1/batches/{batch_id}"
    assert answer.status_code == 202
    assert body == {"success": True, "data": {"batchId": batch_id, "statusUrl": link}}
    assert answer.headers["Location"] == link
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert int(answer.headers["Retry-After"]) > 0
    assert (await door.areg.get(link)).json()["id"] == batch_id


async def test_after_the_longest_wait_there_is_a_link(tmp_path: Path) -> None:
    async with opened(tmp_path, GENERATE_WAIT="0.05") as door:
        door.peer.script = peer.nothing
        answer = await generate(door, await door.character(), prefer="wait=300")
        assert answer.status_code == 202
        assert answer.json()["data"]["statusUrl"].startswith("/v1/batches/bat_")


async def test_a_caller_may_wait_for_less(door: Door) -> None:
    door.peer.script = peer.nothing
    answer = await generate(door, await door.character(), prefer="wait=0")
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "wait=0"


async def test_the_answer_comes_when_the_last_image_does(door: Door) -> None:
    door.peer.script = peer.nothing
    asking = asyncio.create_task(generate(door, await door.character(), quantity=2))
    event = await door.peer.reserved()
    await door.peer.says(peer.stored(event, 0))
    assert not asking.done()
    await door.peer.says(peer.stored(event, 1))
    async with asyncio.timeout(1):
        answer = await asking
    assert answer.json()["data"]["generatedCount"] == 2


async def test_where_no_image_was_made_the_error_has_the_batchs_link(door: Door) -> None:
    answer = await told(
        door,
        await door.character(),
        2,
        lambda event: [peer.failed(event, 0, placeholder_follows=True)],
        lambda event: [peer.blank(event, 0), peer.failed(event, 1, detail="too dark")],
    )
    problem = answer.json()
    assert answer.status_code == 502
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["code"] == "all_images_failed"
    assert problem["detail"] == "no such model; too dark"
    assert problem["statusUrl"] == f"/v1/batches/{problem['batchId']}"
    assert (await door.seen(problem["batchId"]))["status"] == "failed"


async def test_a_rejected_batch_says_why(door: Door) -> None:
    door.peer.refuses = "nobody may be pictured so"
    answer = await generate(door, await door.character())
    assert (answer.status_code, answer.json()["code"]) == (502, "all_images_failed")
    assert answer.json()["detail"] == "nobody may be pictured so"


async def test_the_old_gallery_is_newest_first(door: Door) -> None:
    character_id = await door.character()
    door.peer.script = lambda event: [peer.stored(event, 0), peer.blank(event, 1)]
    await generate(door, character_id, quantity=2)
    answer = await door.areg.get(f"/api/image-generation/character/{character_id}")
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "data": {
            "images": [
                {
                    "url": url(index),
                    "publicId": f"{FOLDER}/Areg_opal-fever_image_{index}",
                    "createdAt": f"2030-01-01T00:00:0{index}Z",
                    "filename": f"Areg_opal-fever_image_{index}",
                }
                for index in (2, 1)
            ],
            "totalCount": 2,
            "characterId": character_id,
        },
    }


async def test_the_old_gallery_counts_more_than_it_lists(door: Door) -> None:
    character_id = await door.character()
    await generate(door, character_id, quantity=3)
    answer = await door.areg.get(f"/api/image-generation/character/{character_id}", params={"limit": 1})
    data = answer.json()["data"]
    assert [image["url"] for image in data["images"]] == [url(3)]
    assert data["totalCount"] == 3


async def test_of_a_premade_character_everybody_sees_his_own_images(door: Door) -> None:
    character_id = await door.character(premade=True)
    await generate(door, character_id, quantity=2)
    others = await door.by("Nare").get(f"/api/image-generation/character/{character_id}")
    assert others.json()["data"] == {"images": [], "totalCount": 0, "characterId": character_id}
    mine = await door.areg.get(f"/api/image-generation/character/{character_id}")
    assert mine.json()["data"]["totalCount"] == 2
