"""Every image as a thing of its own: galleries, marks, deletions, recall."""

from collections.abc import Sequence
from typing import Any

import pytest

from contracts.commands import DeleteImage, GenerateBatch
from contracts.events import ImageDeleted, IndicesReserved
from contracts.message import Message
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door

FOLDER = "Areg/characters/opal-fever/images"


async def made(door: Door, quantity: int = 3, **more: Any) -> dict[str, Any]:
    """A batch of Opal Fever that has ended."""
    known = (await door.areg.get("/v1/characters")).json()["items"]
    character_id = known[0]["id"] if known else await door.character()
    times = door.peer.count(GenerateBatch) + 1
    asked = await door.batch(character_id, quantity, **more)
    await door.peer.reserved(times)
    return await door.seen(asked["id"])


def gallery(batch: dict[str, Any]) -> str:
    return f"/v1/characters/{batch['character']['id']}/images"


async def indexes(door: Door, path: str, **query: Any) -> list[int]:
    answer = await door.areg.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [item["index"] for item in answer.json()["items"]]


async def test_a_gallery_is_newest_first_or_in_the_order_that_is_asked_for(door: Door) -> None:
    path = gallery(await made(door))
    await made(door, 1)
    assert await indexes(door, path) == [4, 3, 2, 1]
    assert await indexes(door, path, sort="newest") == [4, 3, 2, 1]
    assert await indexes(door, path, sort="oldest") == [1, 2, 3, 4]
    assert await indexes(door, path, sort="index") == [1, 2, 3, 4]
    assert await indexes(door, path, sort="-index") == [4, 3, 2, 1]
    refused = await door.areg.get(path, params={"sort": "prettiest"})
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "sort")


@pytest.mark.parametrize("sort", ["newest", "oldest", "index", "-index"])
async def test_pages_of_a_gallery_stay_where_they_are_while_a_batch_is_writing(door: Door, sort: str) -> None:
    path = gallery(await made(door, 5))
    before = await indexes(door, path, sort=sort)
    seen: list[int] = []
    answer = await door.areg.get(path, params={"limit": 2, "sort": sort})
    while True:
        page = answer.json()
        seen += [item["index"] for item in page["items"]]
        if not page["has_more"]:
            break
        if len(seen) < 5:
            await made(door, 1)
        answer = await door.areg.get(answer.links["next"]["url"])
        assert answer.status_code == 200
    assert len(seen) == len(set(seen))
    assert [index for index in seen if index in before] == before


async def test_a_gallery_can_be_narrowed(door: Door) -> None:
    first = await made(door, 2)
    door.peer.script = lambda event: [peer.stored(event, 0), peer.blank(event, 1), peer.failed(event, 2)]
    second = await made(door, 3)
    path = gallery(first)
    await door.areg.patch(f"/v1/images/{second['images'][0]['id']}", json={"favourite": True})
    assert await indexes(door, path) == [4, 3, 2, 1]
    assert await indexes(door, path, favourite="true") == [3]
    assert await indexes(door, path, favourite="false") == [4, 2, 1]
    assert await indexes(door, path, placeholder="true") == [4]
    assert await indexes(door, path, placeholder="false") == [3, 2, 1]
    assert await indexes(door, path, batch=first["id"]) == [2, 1]
    assert await indexes(door, path, batch="nobodys") == []
    ids = f"{first['images'][0]['id']},{second['images'][1]['id']},nobodys.0,nothing"
    assert await indexes(door, path, ids=ids) == [4, 1]
    assert (await door.areg.get(path, params={"ids": ",".join(["b.0"] * 101)})).status_code == 422


async def test_a_batch_may_be_named_by_the_callers_own_id(door: Door) -> None:
    character_id = await door.character()
    wish = {"prompt": "x", "character_id": character_id}
    await door.areg.put("/v1/batches/mine", json=wish)
    await door.peer.reserved()
    assert await indexes(door, f"/v1/characters/{character_id}/images", batch="mine") == [1]


@pytest.mark.parametrize("cursor", ["x", "WyJhIl0", "WyJuZXdlc3QiLCJuYW4iLCIxIiwiYi4wIl0"])
async def test_a_cursor_that_is_not_of_this_list_is_refused(door: Door, cursor: str) -> None:
    path = gallery(await made(door, 3))
    answer = await door.areg.get(path, params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
    other = (await door.areg.get(path, params={"limit": 1})).json()["next_cursor"]
    assert (await door.areg.get(path, params={"sort": "oldest", "cursor": other})).status_code == 400


async def test_an_image_recalls_the_settings_it_was_made_with(door: Door) -> None:
    batch = await made(
        door, 2, seed=42, negative_prompt="blurry", style="noir", parameters={"steps": 30}, width=512
    )
    image = (await door.areg.get(f"/v1/images/{batch['id']}.1")).json()
    assert image["settings"] == {
        "prompt": "on a rooftop",
        "negative_prompt": "blurry",
        "seed": 43,
        "width": 512,
        "height": 1536,
        "workflow": "portrait",
        "style": "noir",
        "parameters": {"steps": 30},
    }
    assert image["batch_id"] == batch["id"]
    assert image["character"] == batch["character"]
    assert image["urls"] == {"self": f"/v1/images/{image['id']}", "batch": f"/v1/batches/{batch['id']}"}
    assert set(image["thumbnails"]) == {"256", "512", "1024"}


async def test_an_image_that_is_not_made_yet_has_its_name_and_its_seed(door: Door) -> None:
    door.peer.script = peer.nothing
    batch = await made(door, 2, seed=2**64 - 1)
    image = (await door.areg.get(f"/v1/images/{batch['id']}.1")).json()
    assert (image["status"], image["name"], image["url"]) == ("queued", "Areg_opal-fever_image_2", None)
    assert image["settings"]["seed"] == 0
    assert image["thumbnails"] == {}


async def test_a_favourite_stays_one_whatever_the_image_becomes(door: Door) -> None:
    door.peer.script = lambda event: [peer.blank(event, 0)]
    batch = await made(door, 1)
    here = f"/v1/images/{batch['id']}.0"
    for _ in range(2):
        answer = await door.areg.patch(here, json={"favourite": True})
        assert (answer.status_code, answer.json()["favourite"]) == (200, True)
    await door.areg.post(batch["urls"]["retry"])
    await door.peer.says(peer.stored(door.peer.reservations[batch["id"]], 0, 2))
    image = (await door.seen(batch["id"]))["images"][0]
    assert (image["status"], image["favourite"]) == ("succeeded", True)
    assert (await door.areg.patch(here, json={"favourite": False})).json()["favourite"] is False
    assert (await door.areg.patch(here, json={"favourite": "yes"})).status_code == 422


async def test_a_deleted_image_is_deleting_until_storage_says_so_and_stays_deleted(door: Door) -> None:
    batch = await made(door, 2)
    here, public_id = f"/v1/images/{batch['id']}.0", batch["images"][0]["public_id"]
    for _ in range(2):
        answer = await door.areg.delete(here)
        assert (answer.status_code, answer.json()["status"]) == (202, "deleting")
        assert int(answer.headers["Retry-After"]) > 0
    assert (await door.peer.hears(DeleteImage)).public_id == public_id
    await door.peer.bus.settled()
    assert door.peer.count(DeleteImage) == 1
    listed = (await door.areg.get(gallery(batch))).json()["items"]
    assert [(item["index"], item["status"]) for item in listed] == [(2, "succeeded"), (1, "deleting")]
    assert len(await old_gallery(door, batch)) == 1
    await door.peer.says(ImageDeleted(public_id=public_id))
    answer = await door.areg.delete(here)
    assert (answer.status_code, answer.json()["status"], answer.json()["url"]) == (200, "deleted", None)
    assert await indexes(door, gallery(batch)) == [2]
    assert (await door.seen(batch["id"]))["status"] == "succeeded"


async def old_gallery(door: Door, batch: dict[str, Any]) -> list[Any]:
    path = f"/api/image-generation/character/{batch['character']['id']}"
    return list((await door.areg.get(path)).json()["data"]["images"])


async def test_what_is_not_in_storage_can_not_be_deleted(door: Door) -> None:
    door.peer.script = lambda event: [peer.failed(event, 0)]
    batch = await made(door, 2)
    for ordinal in (0, 1):
        answer = await door.areg.delete(f"/v1/images/{batch['id']}.{ordinal}")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_stored")


async def test_a_placeholder_that_is_being_deleted_is_not_rendered_again(door: Door) -> None:
    door.peer.script = lambda event: [peer.blank(event, 0)]
    batch = await made(door, 1)
    await door.areg.delete(f"/v1/images/{batch['id']}.0")
    answer = await door.areg.post(batch["urls"]["retry"])
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_retry")
    await door.peer.says(ImageDeleted(public_id=batch["images"][0]["public_id"]))
    body = await door.seen(batch["id"])
    assert (body["status"], body["images"][0]["status"]) == ("failed", "deleted")


async def test_a_mark_reaches_whoever_follows_the_batch(door: Door) -> None:
    door.peer.script = peer.nothing
    batch = await made(door, 1)
    await door.areg.patch(f"/v1/images/{batch['id']}.0", json={"favourite": True})
    assert (await door.seen(batch["id"]))["images"][0]["favourite"] is True


async def test_many_images_are_changed_in_one_call(door: Door) -> None:
    def script(event: IndicesReserved) -> Sequence[Message]:
        return [peer.stored(event, 0), peer.stored(event, 1), peer.failed(event, 2)]

    door.peer.script = script
    batch = await made(door, 3)
    ids = [image["id"] for image in batch["images"]]
    asked = {"action": "favourite", "ids": [*ids, ids[0], "bat_0.0", "nothing"]}
    answer = await door.areg.post("/v1/images/bulk", json=asked)
    assert [item["status"] for item in answer.json()["items"]] == [*["favourite"] * 3, *["not_found"] * 2]
    assert await indexes(door, gallery(batch), favourite="true") == [2, 1]
    answer = await door.areg.post("/v1/images/bulk", json={"action": "unfavourite", "ids": ids[:1]})
    assert answer.json()["items"] == [{"id": ids[0], "status": "unfavourite"}]
    answer = await door.areg.post("/v1/images/bulk", json={"action": "delete", "ids": ids})
    assert [item["status"] for item in answer.json()["items"]] == ["deleting", "deleting", "not_stored"]
    await door.peer.hears(DeleteImage, 2)
    await door.peer.says(*(ImageDeleted(public_id=each["public_id"]) for each in batch["images"][:2]))
    answer = await door.areg.post("/v1/images/bulk", json={"action": "delete", "ids": ids[:2]})
    assert [item["status"] for item in answer.json()["items"]] == ["deleted", "deleted"]


async def test_at_most_five_hundred_images_are_named_at_once(door: Door) -> None:
    for many, status in ((500, 200), (501, 422), (0, 422)):
        ids = [f"bat_{number}.0" for number in range(many)]
        answer = await door.areg.post("/v1/images/bulk", json={"action": "delete", "ids": ids})
        assert answer.status_code == status


async def test_somebody_elses_image_does_not_exist(door: Door) -> None:
    batch = await made(door, 1)
    here, nare = f"/v1/images/{batch['id']}.0", door.by("Nare")
    assert (await nare.get(here)).status_code == 404
    assert (await nare.patch(here, json={"favourite": True})).status_code == 404
    assert (await nare.delete(here)).status_code == 404
    for action in ("delete", "favourite"):
        answer = await nare.post("/v1/images/bulk", json={"action": action, "ids": [f"{batch['id']}.0"]})
        assert answer.json()["items"][0]["status"] == "not_found"
    image = (await door.areg.get(here)).json()
    assert (image["favourite"], image["status"]) == (False, "succeeded")


@pytest.mark.parametrize(
    "name", ["x", "bat_1", "bat_1.", "bat_1.x", "bat_1.1000", "bat_1.00", "%00.0", "a.b.0"]
)
async def test_what_is_no_image_is_not_found(door: Door, name: str) -> None:
    assert (await door.areg.get(f"/v1/images/{name}")).status_code == 404
    assert (await door.areg.delete(f"/v1/images/{name}")).status_code == 404
