"""One image as a file of its own."""

import asyncio

import pytest
from starlette.responses import Response

from contracts.events import ImageDeleted
from tests.journeys.waiting import until
from tests.services.gateway.http.door import Door
from tests.services.gateway.http.test_export import image, shelf_for
from tests.services.gateway.http.test_images import made


async def test_an_image_comes_as_it_was_stored_under_its_own_name(door: Door) -> None:
    async with shelf_for(door):
        batch = await made(door, 2)
        answer = await door.areg.get(f"/v1/images/{batch['id']}.1/file")
    assert answer.content == image(2)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="Areg_opal-fever_image_2.png"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_head_alone_fetches_nothing(door: Door) -> None:
    async with shelf_for(door) as shelf:
        batch = await made(door, 1)
        answer = await door.areg.head(f"/v1/images/{batch['id']}.0/file")
    assert 'filename="Areg_opal-fever_image_1.png"' in answer.headers["Content-Disposition"]
    assert shelf.asked == []


@pytest.mark.parametrize("answered", [Response(b"other bytes"), Response(status_code=404)])
async def test_other_bytes_than_were_stored_are_no_file(door: Door, answered: Response) -> None:
    async with shelf_for(door) as shelf:
        batch = await made(door, 1)
        shelf.answers = {1: answered}
        answer = await door.areg.get(f"/v1/images/{batch['id']}.0/file")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.json()["detail"].startswith("storage answers")
    assert int(answer.headers["Retry-After"]) > 0


async def test_what_is_deleted_is_no_file_any_more(door: Door) -> None:
    async with shelf_for(door):
        batch = await made(door, 1)
        await door.peer.says(ImageDeleted(public_id=batch["images"][0]["public_id"]))
        answer = await door.areg.get(f"/v1/images/{batch['id']}.0/file")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_stored")


async def test_so_many_at_once_and_a_place_is_given_back(door: Door) -> None:
    async with shelf_for(door) as shelf:
        batch = await made(door, 1)
        address = f"/v1/images/{batch['id']}.0/file"
        shelf.opened.clear()
        under_way = [asyncio.create_task(door.areg.get(address)) for _ in range(6)]
        await until(lambda: asyncio.sleep(0, len(shelf.asked) == 6))
        refused = await door.areg.get(address)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_downloads")
        shelf.opened.set()
        assert [answer.status_code for answer in await asyncio.gather(*under_way)] == [200] * 6
        assert (await door.areg.get(address)).status_code == 200
