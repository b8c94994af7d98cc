"""Calls are made until they are heard, by the schedule, by whichever replica lives."""

import asyncio
import json
import time
from collections.abc import Sequence

from prometheus_client import REGISTRY
from standardwebhooks import Webhook as Verifier

from chassis.database import Database
from services.gateway.adapters.webhooks.courier import IDLE, LOOK, Courier
from services.gateway.adapters.webhooks.sql_deliveries import LEASE
from services.gateway.domain.webhooks import DELAYS, ENOUGH, PER_RECEIVER, DeliveryStatus, Disabled, Webhook
from tests.journeys.waiting import until
from tests.services.gateway.adapters.webhooks.calling import START, Calling, calling
from tests.services.gateway.adapters.webhooks.receiver import Answer, Receiver, receiving
from tests.services.gateway.databases import opened
from tests.services.gateway.events import deleted, reserved, stored
from tests.services.gateway.readings import tell


async def an_event(caller: Calling, batch_id: str = "b1", first: int = 11) -> None:
    """One that a webhook for the starts of batches hears of."""
    await tell(caller.gallery, reserved(batch_id, 1, first=first))


async def stands(caller: Calling, webhook: Webhook) -> Webhook:
    found = await caller.webhooks.find(webhook.id, webhook.username)
    assert found is not None
    return found


def statuses(*answers: int | Answer) -> list[Answer]:
    return [Answer(each) if isinstance(each, int) else each for each in answers]


def answering(receiver: Receiver, *answers: int | Answer) -> None:
    """One after another, and 200 after the last."""
    left = statuses(*answers)
    receiver.answer = lambda _heard: left.pop(0) if left else Answer()


async def test_a_call_is_what_standard_webhooks_asks_for(light: Calling, receiver: Receiver) -> None:
    light.clock.now = time.time()
    webhook, secret = await light.listens(receiver.url(), "batch.started")
    await an_event(light)
    assert await light.round() == 1
    (heard,) = receiver.heard
    assert heard.line == "POST /hook?from=darkroom HTTP/1.1"
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["host"] == f"127.0.0.1:{receiver.port}"
    told = Verifier(secret).verify(heard.body, dict(heard.headers))
    assert (told["type"], told["data"]["id"]) == ("batch.started", "b1")
    (delivery,) = await light.deliveries_of(webhook)
    assert heard.headers["webhook-id"] == delivery.id
    assert (delivery.status, delivery.next_at) == (DeliveryStatus.DELIVERED, None)
    (attempt,) = delivery.attempts
    assert (attempt.status, attempt.response, attempt.error) == (200, "thanks", None)


async def test_what_was_heard_is_not_told_again(caller: Calling, receiver: Receiver) -> None:
    await caller.listens(receiver.url(), "batch.started")
    await an_event(caller)
    assert [await caller.round() for _ in range(3)] == [1, 0, 0]
    caller.clock.now += 10 * 86_400
    assert await caller.round() == 0
    assert len(receiver.heard) == 1


async def test_the_schedule_is_kept_over_days_under_one_id(caller: Calling, receiver: Receiver) -> None:
    webhook, _ = await caller.listens(receiver.url(), "batch.started")
    await an_event(caller)
    receiver.answer = lambda _heard: Answer(500)
    for delay in DELAYS:
        assert await caller.round() == 1
        (delivery,) = await caller.deliveries_of(webhook)
        latency = delivery.attempts[-1].latency_ms / 1000
        assert delivery.next_at is not None
        assert abs(delivery.next_at - (caller.clock.now + latency + delay)) < 0.001
        caller.clock.now = delivery.next_at - 0.001
        assert await caller.round() == 0
        caller.clock.now = delivery.next_at
    assert await caller.round() == 1
    (delivery,) = await caller.deliveries_of(webhook)
    assert (delivery.status, delivery.next_at) == (DeliveryStatus.FAILED, None)
    assert len(delivery.attempts) == len(receiver.heard) == 10
    assert {heard.headers["webhook-id"] for heard in receiver.heard} == {delivery.id}
    assert {heard.body for heard in receiver.heard} == {delivery.body}
    # Every attempt is signed at its own moment, or a receiver would take it for a replay.
    assert len({heard.headers["webhook-timestamp"] for heard in receiver.heard}) == 10


async def test_a_redirect_is_a_failure_and_is_not_followed(light: Calling, receiver: Receiver) -> None:
    async with receiving() as elsewhere:
        webhook, _ = await light.listens(receiver.url(), "batch.started")
        await an_event(light)
        answering(receiver, Answer(307, {"Location": elsewhere.url()}))
        await light.round()
        (delivery,) = await light.deliveries_of(webhook)
        assert (delivery.status, delivery.attempts[0].status) == (DeliveryStatus.PENDING, 307)
        assert elsewhere.connections == 0


async def test_gone_disables_the_webhook_with_all_that_waited(caller: Calling, receiver: Receiver) -> None:
    webhook, _ = await caller.listens(receiver.url(), "batch.started", "image.completed")
    await tell(caller.gallery, reserved(), stored(0), stored(1))
    answering(receiver, 410, 410, 410)
    await caller.round()
    assert (await stands(caller, webhook)).disabled is Disabled.GONE
    assert {each.status for each in await caller.deliveries_of(webhook)} == {DeliveryStatus.FAILED}
    calls = len(receiver.heard)
    await an_event(caller, "b2", 70)
    caller.clock.now += 86_400
    assert await caller.round() == 0
    assert len(receiver.heard) == calls


async def test_a_receiver_is_left_alone_for_as_long_as_it_asks(caller: Calling, receiver: Receiver) -> None:
    webhook, _ = await caller.listens(receiver.url(), "batch.started")
    await an_event(caller)
    answering(receiver, Answer(429, {"Retry-After": "120"}))
    await caller.round()
    caller.clock.now += 119
    assert await caller.round() == 0
    caller.clock.now += 3
    assert await caller.round() == 1
    assert (await caller.deliveries_of(webhook))[0].status is DeliveryStatus.DELIVERED


async def test_a_receiver_may_name_the_moment(light: Calling, receiver: Receiver) -> None:
    webhook, _ = await light.listens(receiver.url(), "batch.started")
    await an_event(light)
    answering(receiver, Answer(503, {"Retry-After": "Tue, 14 Nov 2023 22:23:20 GMT"}))
    await light.round()
    next_at = (await light.deliveries_of(webhook))[0].next_at
    assert next_at is not None
    assert 600 <= next_at - START < 601


async def test_days_of_failure_disable_the_webhook(caller: Calling, receiver: Receiver) -> None:
    webhook, _ = await caller.listens(receiver.url(), "batch.started")
    receiver.answer = lambda _heard: Answer(500)
    await an_event(caller)
    await caller.round()
    assert (await stands(caller, webhook)).failing_since == START
    caller.clock.now += ENOUGH
    await an_event(caller, "b2", 70)
    await caller.round()
    found = await stands(caller, webhook)
    assert (found.disabled, found.disabled_at) == (Disabled.FAILING, caller.clock.now)


async def test_one_success_forgets_days_of_failure(caller: Calling, receiver: Receiver) -> None:
    webhook, _ = await caller.listens(receiver.url(), "batch.started")
    await an_event(caller)
    answering(receiver, 500, 200)
    await caller.round()
    caller.clock.now += 6
    await caller.round()
    assert (await stands(caller, webhook)).failing_since is None


async def test_the_old_secret_signs_along_for_a_day(light: Calling, receiver: Receiver) -> None:
    light.clock.now = time.time()
    webhook, old = await light.listens(receiver.url(), "batch.started")
    new, *_ = await light.webhooks.rotate(webhook)
    await an_event(light)
    await light.round()
    (heard,) = receiver.heard
    assert len(heard.headers["webhook-signature"].split()) == 2
    for secret in (old, new.key):
        assert Verifier(secret).verify(heard.body, dict(heard.headers))
    light.clock.now += 86_401
    await an_event(light, "b2", 70)
    await light.round()
    assert len(receiver.heard[1].headers["webhook-signature"].split()) == 1


async def test_a_delivery_is_sent_again_under_its_id_when_its_owner_wishes(
    caller: Calling, receiver: Receiver
) -> None:
    webhook, _ = await caller.listens(receiver.url(), "batch.started")
    await an_event(caller)
    await caller.round()
    (delivery,) = await caller.deliveries_of(webhook)
    again = await caller.log.redeliver(webhook, delivery.id)
    assert again is not None
    assert again.status is DeliveryStatus.PENDING
    await caller.round()
    assert len({(heard.headers["webhook-id"], heard.body) for heard in receiver.heard}) == 1
    (delivery,) = await caller.deliveries_of(webhook)
    assert (len(delivery.attempts), delivery.status) == (2, DeliveryStatus.DELIVERED)


async def test_a_given_up_delivery_gets_the_whole_schedule_again(light: Calling, receiver: Receiver) -> None:
    webhook, _ = await light.listens(receiver.url(), "batch.started")
    await an_event(light)
    receiver.answer = lambda _heard: Answer(500)
    for delay in (*DELAYS, 0.0):
        await light.round()
        light.clock.now += delay + 10
    (delivery,) = await light.deliveries_of(webhook)
    assert delivery.status is DeliveryStatus.FAILED
    await light.log.redeliver(webhook, delivery.id)
    await light.round()
    (delivery,) = await light.deliveries_of(webhook)
    assert delivery.next_at is not None
    assert 5 <= delivery.next_at - light.clock.now < 6


async def test_a_test_tells_of_nothing_and_is_made_once(light: Calling, receiver: Receiver) -> None:
    webhook, _ = await light.listens(receiver.url(), "batch.started")
    first, second = await light.log.test(webhook), await light.log.test(webhook)
    assert first.id != second.id
    answering(receiver, 500)
    await light.round()
    assert {json.loads(heard.body)["type"] for heard in receiver.heard} == {"webhook.test"}
    assert {each.status for each in await light.deliveries_of(webhook)} == {
        DeliveryStatus.FAILED,
        DeliveryStatus.DELIVERED,
    }


async def test_replicas_share_the_calls_and_make_each_once(
    database: Database, database_url: str, receiver: Receiver
) -> None:
    async with opened(database_url) as other, calling(database) as here, calling(other) as there:
        for number in range(3):
            await here.listens(receiver.url(), "batch.started", receiver=f"http://host-{number}:80")
        for number in range(8):
            await an_event(here, f"b{number}", 100 * (number + 1))
        replicas = [here.courier(), there.courier(), here.courier(), there.courier()]
        while sum(await asyncio.gather(*(replica.round() for replica in replicas))):
            await asyncio.gather(*(replica.idle() for replica in replicas))
        ids = [heard.headers["webhook-id"] for heard in receiver.heard]
        assert len(ids) == len(set(ids)) == 24


async def test_a_call_whose_maker_is_gone_is_made_again_after_its_lease(
    caller: Calling, receiver: Receiver
) -> None:
    webhook, _ = await caller.listens(receiver.url(), "batch.started")
    await an_event(caller)
    receiver.answer = lambda _heard: Answer(once=asyncio.Event())
    dying = asyncio.create_task(caller.courier().run())
    await receiver.hears(1)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    answering(receiver)
    assert await caller.round() == 0
    caller.clock.now += LEASE
    assert await caller.round() == 1
    assert len({heard.headers["webhook-id"] for heard in receiver.heard}) == 1
    assert (await caller.deliveries_of(webhook))[0].status is DeliveryStatus.DELIVERED


async def test_late_news_of_a_lost_claim_only_ever_says_that_it_was_heard(
    caller: Calling, receiver: Receiver
) -> None:
    webhook, _ = await caller.listens(receiver.url(), "batch.started")
    await an_event(caller)
    held: dict[int, asyncio.Event] = {0: asyncio.Event(), 1: asyncio.Event()}
    answers = [Answer(500, once=held[0]), Answer(200, once=held[1]), Answer(500)]
    receiver.answer = lambda _heard: answers.pop(0)
    slow, slower = caller.courier(), caller.courier()
    await slow.round()
    await receiver.hears(1)
    caller.clock.now += LEASE
    await slower.round()
    await receiver.hears(2)
    caller.clock.now += LEASE
    third = caller.courier()
    await third.round()
    await third.idle()
    waits = (await caller.deliveries_of(webhook))[0]
    assert (waits.status, len(waits.attempts)) == (DeliveryStatus.PENDING, 1)
    held[0].set()
    await slow.idle()
    after = (await caller.deliveries_of(webhook))[0]
    assert (after.next_at, len(after.attempts)) == (waits.next_at, 2)
    held[1].set()
    await slower.idle()
    heard = (await caller.deliveries_of(webhook))[0]
    assert (heard.status, heard.next_at) == (DeliveryStatus.DELIVERED, None)


async def test_a_slow_receiver_delays_no_other(light: Calling, receiver: Receiver) -> None:
    never = asyncio.Event()
    async with receiving() as slow:
        slow.answer = lambda _heard: Answer(once=never)
        await light.listens(slow.url(), "batch.started")
        webhook, _ = await light.listens(receiver.url(), "batch.started")
        for number in range(12):
            await an_event(light, f"b{number}", 100 * (number + 1))
        running = asyncio.create_task(light.courier().run())
        await receiver.hears(12)
        await slow.hears(PER_RECEIVER)
        assert len(slow.heard) == PER_RECEIVER

        async def all_delivered() -> bool:
            return len(await light.log.list(webhook, DeliveryStatus.DELIVERED, None, 100)) == 12

        await until(all_delivered)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_whoever_rings_is_not_kept_waiting(sqlite: Database, receiver: Receiver) -> None:
    async with calling(sqlite) as calls:
        courier = Courier(calls.deliveries, calls.wire, calls.clock, lambda: 0.0)
        webhook, _ = await calls.listens(receiver.url(), "batch.started")
        running = asyncio.create_task(courier.run())
        await asyncio.sleep(0)
        await calls.log.test(webhook)
        courier.ring()
        await receiver.hears(1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_after_a_quiet_while_the_first_event_is_told_at_once(
    sqlite: Database, receiver: Receiver
) -> None:
    async with calling(sqlite) as calls:
        courier = Courier(calls.deliveries, calls.wire, calls.clock, lambda: 0.0)
        await calls.listens(receiver.url(), "batch.started")
        for _ in range(4):
            assert await courier.round() == 0
        running = asyncio.create_task(courier.run())
        await asyncio.sleep(0)
        await an_event(calls)
        courier.stir()
        async with asyncio.timeout(IDLE - LOOK):
            await receiver.hears(1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_webhook_that_goes_away_meanwhile_leaves_nothing_behind(
    caller: Calling, receiver: Receiver
) -> None:
    webhook, _ = await caller.listens(receiver.url(), "batch.started")
    await an_event(caller)
    free = asyncio.Event()
    receiver.answer = lambda _heard: Answer(once=free)
    courier = caller.courier()
    await courier.round()
    await receiver.hears(1)
    await caller.webhooks.remove(webhook)
    free.set()
    await courier.idle()
    assert await caller.deliveries_of(webhook) == []


async def test_the_metrics_tell_results_and_the_age_of_the_oldest(light: Calling, receiver: Receiver) -> None:
    def attempts(result: str) -> float:
        return REGISTRY.get_sample_value("darkroom_webhook_attempts_total", {"result": result}) or 0.0

    before = {result: attempts(result) for result in ("delivered", "again", "given_up")}
    await light.listens(receiver.url(), "batch.started", "image.deleted")
    await tell(light.gallery, reserved(), stored(0), deleted())
    answering(receiver, 500, 410)
    light.clock.now += 30
    await light.courier().measure()
    assert REGISTRY.get_sample_value("darkroom_webhook_age_seconds") == 30
    await light.round()
    assert {result: attempts(result) - before[result] for result in before} == {
        "delivered": 0,
        "again": 1,
        "given_up": 1,
    }
    await light.courier().measure()
    assert REGISTRY.get_sample_value("darkroom_webhook_age_seconds") == 0


async def pruned(caller: Calling, before: float) -> Sequence[int]:
    return [await caller.deliveries.prune(before, 2) for _ in range(3)]


async def test_old_deliveries_are_forgotten_unless_they_are_still_to_be_told(
    caller: Calling, receiver: Receiver
) -> None:
    webhook, _ = await caller.listens(receiver.url(), "batch.started")
    for number in range(3):
        await an_event(caller, f"b{number}", 100 * (number + 1))
    await caller.round()
    receiver.answer = lambda _heard: Answer(500)
    await an_event(caller, "b9", 900)
    await caller.round()
    assert await pruned(caller, START) == [0, 0, 0]
    assert await pruned(caller, START + 1) == [2, 1, 0]
    assert [each.batch_id for each in await caller.deliveries_of(webhook)] == ["b9"]
    await caller.webhooks.switch(webhook, enabled=False)
    assert await pruned(caller, START + 1) == [1, 0, 0]
