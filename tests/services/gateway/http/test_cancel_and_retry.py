"""Ending a batch early, and asking again for what was not made."""

from contracts.commands import CancelBatch, RetryImages
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door


async def test_cancelling_again_and_again_is_cancelling_once(door: Door) -> None:
    door.peer.script = peer.nothing
    made = await door.batch(await door.character())
    event = await door.peer.reserved()
    answers = [await door.areg.post(made["urls"]["cancel"]) for _ in range(3)]
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "canceling")] * 3
    await door.peer.hears(CancelBatch)
    await door.peer.says(peer.stored(event, 0), peer.failed(event, 1, code="cancelled"))
    body = await door.seen(made["id"])
    assert body["status"] == "canceled"
    assert [image["status"] for image in body["images"]] == ["succeeded", "canceled"]
    assert door.peer.count(CancelBatch) == 1


async def test_a_batch_that_has_ended_is_not_cancelled(door: Door) -> None:
    made = await door.batch(await door.character())
    await door.peer.reserved()
    await door.seen(made["id"])
    answer = await door.areg.post(made["urls"]["cancel"])
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    await door.peer.bus.settled()
    assert door.peer.count(CancelBatch) == 0


async def test_a_retry_renders_what_failed_again_at_the_same_numbers(door: Door) -> None:
    door.peer.script = lambda event: [peer.stored(event, 0), peer.failed(event, 1), peer.failed(event, 2)]
    made = await door.batch(await door.character(), 3)
    event = await door.peer.reserved()
    await door.seen(made["id"])
    answer = await door.areg.post(made["urls"]["retry"])
    assert (answer.status_code, answer.headers["Location"]) == (202, made["urls"]["self"])
    body = answer.json()
    assert [(image["index"], image["round"]) for image in body["images"]] == [(1, 1), (2, 2), (3, 2)]
    assert (body["status"], body["completed_at"]) == ("running", None)
    asked = await door.peer.hears(RetryImages)
    assert (asked.round, asked.ordinals) == (2, (1, 2))
    await door.peer.says(peer.stored(event, 1, 2), peer.stored(event, 2, 2))
    assert (await door.seen(made["id"]))["status"] == "succeeded"


async def test_a_retry_may_name_its_images(door: Door) -> None:
    door.peer.script = lambda event: [peer.failed(event, ordinal) for ordinal in range(3)]
    made = await door.batch(await door.character(), 3)
    await door.peer.reserved()
    await door.seen(made["id"])
    answer = await door.areg.post(made["urls"]["retry"], json={"ordinals": [2, 2]})
    assert [image["status"] for image in answer.json()["images"]] == ["failed", "failed", "queued"]
    assert (await door.peer.hears(RetryImages)).ordinals == (2,)


async def test_where_nothing_failed_there_is_nothing_to_retry(door: Door) -> None:
    made = await door.batch(await door.character())
    await door.peer.reserved()
    await door.seen(made["id"])
    for body in (None, {}, {"ordinals": None}, {"ordinals": [1]}, {"ordinals": [999]}):
        answer = await door.areg.post(made["urls"]["retry"], json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_retry")


async def test_a_batch_that_is_being_cancelled_is_not_retried(door: Door) -> None:
    door.peer.script = lambda event: [peer.failed(event, 0)]
    made = await door.batch(await door.character())
    await door.peer.reserved()
    await door.seen(made["id"])
    await door.areg.post(made["urls"]["cancel"])
    answer = await door.areg.post(made["urls"]["retry"])
    assert (answer.status_code, answer.json()["code"]) == (409, "batch_canceling")
