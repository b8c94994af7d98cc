"""Images put together by their owner."""

from typing import Any

from contracts.events import ImageDeleted
from tests.services.gateway.http.door import Door
from tests.services.gateway.http.test_images import gallery, indexes, made


async def collection(door: Door, name: str = "Covers", username: str = "Areg") -> dict[str, Any]:
    answer = await door.by(username).post("/v1/collections", json={"name": name})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == answer.json()["urls"]["self"]
    return dict(answer.json())


async def test_a_collection_has_a_name_of_its_own(door: Door) -> None:
    covers = await collection(door)
    again = await door.areg.post("/v1/collections", json={"name": "Covers"})
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    await collection(door, username="Nare")
    drafts = await collection(door, "Drafts")
    renamed = await door.areg.patch(drafts["urls"]["self"], json={"name": "Covers"})
    assert (renamed.status_code, renamed.json()["code"]) == (409, "name_taken")
    renamed = await door.areg.patch(covers["urls"]["self"], json={"name": "Best"})
    assert (renamed.status_code, renamed.json()["name"], renamed.json()["id"]) == (200, "Best", covers["id"])


async def test_images_are_put_into_a_collection_and_taken_out(door: Door) -> None:
    batch, covers = await made(door, 3), await collection(door)
    images = covers["urls"]["images"]
    for _ in range(2):
        assert (await door.areg.put(f"{images}/{batch['id']}.0")).status_code == 204
    answer = await door.areg.post(images, json={"ids": [f"{batch['id']}.1", "bat_0.0", "nothing"]})
    assert [item["status"] for item in answer.json()["items"]] == ["collected", "not_found", "not_found"]
    assert (await door.areg.get(covers["urls"]["self"])).json()["images"] == 2
    assert await indexes(door, images, sort="index") == [1, 2]
    assert await indexes(door, gallery(batch), collection=covers["id"]) == [2, 1]
    image = (await door.areg.get(f"/v1/images/{batch['id']}.1")).json()
    assert image["collections"] == [covers["id"]]
    for _ in range(2):
        assert (await door.areg.delete(f"{images}/{batch['id']}.0")).status_code == 204
    assert await indexes(door, images) == [2]


async def test_a_dropped_collection_leaves_its_images(door: Door) -> None:
    batch, covers = await made(door, 1), await collection(door)
    await door.areg.put(f"{covers['urls']['images']}/{batch['id']}.0")
    assert (await door.areg.delete(covers["urls"]["self"])).status_code == 204
    assert (await door.areg.get(covers["urls"]["self"])).status_code == 404
    assert (await door.areg.delete(covers["urls"]["self"])).status_code == 404
    assert await indexes(door, gallery(batch)) == [1]
    assert (await door.areg.get(f"/v1/images/{batch['id']}.0")).json()["collections"] == []


async def test_a_deleted_image_is_not_shown_in_its_collection(door: Door) -> None:
    batch, covers = await made(door, 1), await collection(door)
    await door.areg.put(f"{covers['urls']['images']}/{batch['id']}.0")
    await door.areg.delete(f"/v1/images/{batch['id']}.0")
    await door.peer.says(ImageDeleted(public_id=batch["images"][0]["public_id"]))
    assert await indexes(door, covers["urls"]["images"]) == []


async def test_collections_are_listed_page_by_page(door: Door) -> None:
    ids = {(await collection(door, f"No. {number}"))["id"] for number in range(3)}
    first = await door.areg.get("/v1/collections", params={"limit": 2})
    second = await door.areg.get(first.links["next"]["url"])
    assert {item["id"] for page in (first, second) for item in page.json()["items"]} == ids
    assert second.json()["has_more"] is False


async def test_somebody_elses_collection_does_not_exist(door: Door) -> None:
    batch, covers = await made(door, 1), await collection(door)
    nare, images = door.by("Nare"), covers["urls"]["images"]
    hers = await collection(door, username="Nare")
    for answer in (
        await nare.get(covers["urls"]["self"]),
        await nare.patch(covers["urls"]["self"], json={"name": "Mine"}),
        await nare.delete(covers["urls"]["self"]),
        await nare.get(images),
        await nare.post(images, json={"ids": [f"{batch['id']}.0"]}),
        await nare.put(f"{images}/{batch['id']}.0"),
        await nare.delete(f"{images}/{batch['id']}.0"),
        await nare.put(f"{hers['urls']['images']}/{batch['id']}.0"),
        await door.areg.get(gallery(batch), params={"collection": hers["id"]}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await nare.get("/v1/collections")).json()["items"][0]["images"] == 0


async def test_a_name_is_needed_and_can_be_kept(door: Door) -> None:
    for name in ("", "x" * 201, "a\0", None, 7):
        assert (await door.areg.post("/v1/collections", json={"name": name})).status_code == 422
    assert (await door.areg.get("/v1/collections/%00")).status_code == 404
