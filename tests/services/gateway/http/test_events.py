"""A batch is told as it happens: the whole of it first, then each change, and the end last."""

from pathlib import Path

import pytest

from contracts.events import ImageDeleted, IndicesReserved
from services.gateway.adapters.http import event_response
from tests.services.gateway.events import FIRST, reserved
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door, opened
from tests.services.gateway.http.listener import believed, listening


async def under_way(door: Door, quantity: int = 2) -> tuple[str, IndicesReserved]:
    """A batch with numbers and no image yet."""
    door.peer.script = peer.nothing
    made = await door.batch(await door.character(), quantity)
    return str(made["id"]), await door.peer.reserved()


async def test_the_whole_batch_comes_first(door: Door) -> None:
    batch_id, event = await under_way(door)
    await door.peer.says(peer.stored(event, 1))
    async with listening(door, batch_id) as stream:
        first = await stream.next()
        assert stream.response.headers["Content-Type"].startswith("text/event-stream")
        assert stream.response.headers["X-Accel-Buffering"] == "no"
        assert stream.raw[:2] == ["retry: 2000", ""]
    assert (first.name, first.data) == ("status", await door.seen(batch_id))
    assert first.id is not None


async def test_a_batch_is_followed_under_its_owners_id_too(door: Door) -> None:
    wish = {"prompt": "x", "character_id": await door.character()}
    made = (await door.areg.put("/v1/batches/order-91", json=wish)).json()
    async with listening(door, "order-91") as stream:
        assert (await stream.next()).data["id"] == made["id"]


async def test_images_are_told_as_they_land_with_how_the_batch_stands(door: Door) -> None:
    batch_id, event = await under_way(door, 3)
    async with listening(door, batch_id) as stream:
        await stream.next()
        for ordinal, done, value in ((2, 1, 0.3333), (0, 2, 0.6667)):
            await door.peer.says(peer.stored(event, ordinal))
            standing, output = await stream.next(), await stream.next()
            assert standing.name == "status"
            assert standing.data == {
                "status": "running",
                "indexes": {"first": 1, "last": 3},
                "progress": {"value": value, "done": done, "total": 3},
            }
            assert (output.name, output.data["index"]) == ("output", event.first + ordinal)
            assert output.data == (await door.seen(batch_id))["images"][ordinal]
            assert output.data["url"]


async def test_images_are_told_in_the_order_of_the_log(door: Door) -> None:
    batch_id, event = await under_way(door, 8)
    async with listening(door, batch_id) as stream:
        for ordinal in (5, 1, 7, 0, 2, 3, 4, 6):
            await door.peer.says(peer.stored(event, ordinal))
        told = await stream.rest()
    ids = [int(each.id.removesuffix(".end")) for each in told if each.id]
    assert ids == sorted(ids)
    outputs = [each for each in told if each.name == "output"]
    assert [each.data["ordinal"] for each in outputs] == [5, 1, 7, 0, 2, 3, 4, 6]
    assert all(each.id for each in outputs)


async def test_the_end_is_told_with_the_whole_batch_and_closes_the_stream(door: Door) -> None:
    batch_id, event = await under_way(door)
    async with listening(door, batch_id) as stream:
        await stream.next()
        await door.peer.says(peer.stored(event, 0), peer.failed(event, 1))
        told = await stream.rest()
    outputs = [each.data["ordinal"] for each in told if each.name == "output"]
    assert sorted(outputs) == [0, 1]
    assert [each.name for each in told].count("completed") == 1
    assert (told[-1].name, told[-1].data) == ("completed", await door.seen(batch_id))
    assert told[-1].data["status"] == "partially_succeeded"


async def test_a_batch_that_has_ended_is_told_twice_and_closed(door: Door) -> None:
    made = await door.batch(await door.character())
    await door.peer.reserved()
    known = await door.seen(made["id"])
    async with listening(door, made["id"]) as stream:
        told = await stream.rest()
    assert [(each.name, each.data) for each in told] == [("status", known), ("completed", known)]


async def test_a_refused_batch_ends_with_its_reason(door: Door) -> None:
    door.peer.refuses = "it can't be made"
    made = await door.batch(await door.character())
    async with listening(door, made["id"]) as stream:
        told = await stream.rest()
    assert told[-1].name == "completed"
    assert (told[-1].data["status"], told[-1].data["error"]["detail"]) == ("failed", "it can't be made")


async def test_whoever_has_heard_the_end_is_told_to_ask_no_more(door: Door) -> None:
    """A browser comes back after every end of a stream, unless it is answered so."""
    made = await door.batch(await door.character())
    await door.peer.reserved()
    await door.seen(made["id"])
    async with listening(door, made["id"]) as stream:
        end = (await stream.rest())[-1]
    again = await door.areg.get(f"/v1/batches/{made['id']}/events", headers={"Last-Event-ID": end.id or ""})
    assert (again.status_code, again.content) == (204, b"")


async def test_a_retried_batch_is_followed_again(door: Door) -> None:
    batch_id, event = await under_way(door)
    await door.peer.says(peer.stored(event, 0), peer.failed(event, 1))
    async with listening(door, batch_id) as stream:
        end = (await stream.rest())[-1]
    await door.areg.post(f"/v1/batches/{batch_id}/retry")
    async with listening(door, batch_id, end.id) as stream:
        await stream.until("status")
        assert stream.heard[-1].data["status"] == "running"
        await door.peer.says(peer.stored(event, 1, 2))
        told = await stream.rest()
    assert told[-1].name == "completed"
    assert believed([end, *stream.heard]) == await door.seen(batch_id)
    assert told[-1].data["status"] == "succeeded"


async def test_cancelling_is_told_at_once(door: Door) -> None:
    batch_id, event = await under_way(door)
    async with listening(door, batch_id) as stream:
        await stream.next()
        await door.areg.post(f"/v1/batches/{batch_id}/cancel")
        assert (await stream.until("status")).data["status"] == "canceling"
        await door.peer.says(*(peer.failed(event, each, code="cancelled") for each in (0, 1)))
        assert (await stream.rest())[-1].data["status"] == "canceled"


async def test_a_deletion_is_told(door: Door) -> None:
    batch_id, event = await under_way(door)
    await door.peer.says(image := peer.stored(event, 0))
    async with listening(door, batch_id) as stream:
        await stream.next()
        await door.peer.says(ImageDeleted(public_id=image.public_id))
        output = await stream.until("output")
    assert (output.data["status"], output.data["url"]) == ("deleted", None)


async def test_numbers_are_told_once_they_are_reserved(tmp_path: Path) -> None:
    async with opened(tmp_path, deaf=True) as door:
        made = await door.batch(await door.character(), 3)
        async with listening(door, made["id"]) as stream:
            first = await stream.next()
            assert (first.data["indexes"], first.data["images"]) == (None, [])
            await door.peer.bus.publish(reserved(made["id"], 3))
            told = await stream.until("status")
    assert told.data["indexes"] == {"first": FIRST, "last": FIRST + 2}
    assert [image["index"] for image in told.data["images"]] == [FIRST, FIRST + 1, FIRST + 2]


async def test_progress_is_told_without_an_id_and_starts_the_batch(door: Door) -> None:
    batch_id, event = await under_way(door)
    async with listening(door, batch_id) as stream:
        assert (await stream.next()).data["status"] == "queued"
        await door.peer.says(peer.progress(event, 1, stage="running", step=12, steps=30))
        standing, progress = await stream.next(), await stream.next()
    assert (standing.name, standing.data["status"], standing.id) == ("status", "running", None)
    assert (progress.name, progress.id) == ("progress", None)
    assert progress.data == {
        "ordinal": 1,
        "index": 2,
        "stage": "running",
        "step": 12,
        "steps": 30,
        "ahead": 0,
        "value": 0.4,
    }


async def test_steps_are_told_twice_a_second_at_the_most_and_the_last_of_them_always(door: Door) -> None:
    batch_id, event = await under_way(door, 1)
    async with listening(door, batch_id) as stream:
        await stream.next()
        for step in range(1, 31):
            await door.peer.says(peer.progress(event, 0, stage="running", step=step, steps=30))
        while (await stream.until("progress")).data["step"] < 30:
            pass
        await door.peer.says(peer.stored(event, 0))
        await stream.rest()
    # Thirty steps that took a moment: the first of them, and the last once half a second has gone.
    assert 1 <= [each.name for each in stream.heard].count("progress") <= 4


async def test_a_step_that_was_told_is_not_told_again_and_none_after_the_end(door: Door) -> None:
    batch_id, event = await under_way(door)
    step = peer.progress(event, 0, stage="running", step=3, steps=30)
    await door.peer.says(step)
    async with listening(door, batch_id) as stream:
        assert (await stream.next()).data["images"][0]["step"] == 3
        await door.peer.says(step)
        await door.peer.says(peer.stored(event, 0))
        await stream.until("output")
        # A hint may come late; of the image that is still open it is heard.
        await door.peer.says(peer.progress(event, 0, stage="running", step=29, steps=30))
        await door.peer.says(peer.progress(event, 1, stage="queued", ahead=4))
        progress = await stream.until("progress")
    assert (progress.data["ordinal"], progress.data["ahead"]) == (1, 4)
    assert [each.name for each in stream.heard].count("progress") == 1


async def test_a_stream_on_which_nothing_happens_is_kept_alive(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_response, "SILENCE", 0.02)
    batch_id, _ = await under_way(door, 1)
    async with listening(door, batch_id) as stream:
        await stream.next()
        while not (await stream.line()).startswith(":"):
            pass


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/event-stream", 200),
        ("TEXT/Event-Stream;q=0.5, application/json", 200),
        ("text/*", 200),
        ("*/*", 200),
        ("", 200),
        ("application/json", 406),
        ("text/html, application/xhtml+xml", 406),
    ],
)
async def test_who_can_not_read_a_stream_is_told_so(door: Door, accept: str, status: int) -> None:
    batch_id, _ = await under_way(door)
    answer = await door.areg.head(f"/v1/batches/{batch_id}/events", headers={"Accept": accept})
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Accel-Buffering"] == "no"
    else:
        told = await door.areg.get(f"/v1/batches/{batch_id}/events", headers={"Accept": accept})
        assert told.json()["code"] == "not_acceptable"


async def test_the_methods_of_a_stream_can_be_asked_for(door: Door) -> None:
    batch_id, _ = await under_way(door)
    answer = await door.areg.options(f"/v1/batches/{batch_id}/events")
    assert (answer.status_code, answer.headers["Allow"]) == (204, "GET, HEAD")


async def test_a_head_is_answered_without_a_stream(door: Door) -> None:
    batch_id, _ = await under_way(door)
    for _ in range(3):
        answer = await door.areg.head(f"/v1/batches/{batch_id}/events")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert (await door.areg.get(f"/v1/batches/{batch_id}")).status_code == 200


async def test_a_stream_that_can_not_begin_is_a_problem(door: Door) -> None:
    batch_id, _ = await under_way(door)
    path = f"/v1/batches/{batch_id}/events"
    hers = await door.by("Nare").get(path)
    assert (hers.status_code, hers.json()["code"]) == (404, "not_found")
    nobodys = await door.areg.get(path, headers={"Authorization": ""})
    assert (nobodys.status_code, nobodys.json()["code"]) == (401, "unauthorized")
    nothing = await door.areg.get("/v1/batches/bat_0/events")
    assert (nothing.status_code, nothing.headers["Content-Type"]) == (404, "application/problem+json")
