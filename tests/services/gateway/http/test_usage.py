"""What a user made, by character and day."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door
from tests.services.gateway.http.test_images import made

DAY = {"first": "2030-01-01", "last": "2030-01-01"}


async def test_usage_counts_each_image_once_on_the_day_of_its_end(door: Door) -> None:
    door.peer.script = lambda event: [
        peer.stored(event, 0),
        peer.stored(event, 1),
        peer.blank(event, 2),
        peer.failed(event, 3),
        peer.failed(event, 4, code="cancelled"),
    ]
    batch = await made(door, 6)
    await door.areg.delete(f"/v1/images/{batch['id']}.1")
    report = (await door.areg.get("/v1/usage", params=DAY)).json()
    # The peer says of what it stores that it came to be on this day, after one second on a GPU each.
    stored = {"images": 2, "placeholders": 1, "failures": 0, "canceled": 0, "gpu_seconds": 3.0}
    character_id = batch["character"]["id"]
    assert report["items"] == [{"day": "2030-01-01", "character_id": character_id, **stored}]
    assert report["total"] == stored
    today = (await door.areg.get("/v1/usage")).json()
    assert today["last"] == datetime.now(UTC).date().isoformat()
    assert date.fromisoformat(today["last"]) - date.fromisoformat(today["first"]) == timedelta(29)
    assert (today["total"]["failures"], today["total"]["canceled"], today["total"]["images"]) == (1, 1, 0)


async def test_an_image_that_was_rendered_again_counts_as_what_it_became(door: Door) -> None:
    door.peer.script = lambda event: [peer.failed(event, 0)]
    batch = await made(door, 1)
    await door.areg.post(batch["urls"]["retry"])
    assert (await door.areg.get("/v1/usage")).json()["total"]["failures"] == 0
    await door.peer.says(peer.stored(door.peer.reservations[batch["id"]], 0, 2))
    assert (await door.areg.get("/v1/usage", params=DAY)).json()["total"]["images"] == 1


async def test_usage_is_ones_own(door: Door) -> None:
    await made(door, 1)
    assert (await door.by("Nare").get("/v1/usage", params=DAY)).json()["items"] == []


@pytest.mark.parametrize(
    "asked",
    [
        {"first": "2030-01-02", "last": "2030-01-01"},
        {"first": "2029-01-01", "last": "2030-01-02"},
        {"first": "yesterday"},
        {"last": "2030-02-30"},
    ],
    ids=str,
)
async def test_a_range_that_is_none_or_too_long_is_refused(door: Door, asked: dict[str, str]) -> None:
    answer = await door.areg.get("/v1/usage", params=asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_the_first_days_of_all_can_be_asked_for(door: Door) -> None:
    assert (await door.areg.get("/v1/usage", params={"last": "0001-01-02"})).status_code == 200
