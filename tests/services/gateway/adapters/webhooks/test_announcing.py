"""What is to be told is written down in the transaction that makes it true, and each thing once."""

import json
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from chassis.database import Database
from contracts.commands import Character
from contracts.message import Message
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.webhooks.tables import DELIVERIES
from services.gateway.domain.webhooks import PACE, Webhook
from tests.services.gateway.adapters.webhooks.calling import START, Calling
from tests.services.gateway.databases import emptied, rows
from tests.services.gateway.events import (
    FIRST,
    OPAL,
    deleted,
    failed,
    moved,
    rejected,
    request,
    reserved,
    stored,
)
from tests.services.gateway.readings import tell

URL = "https://hooks.test/darkroom"
WHOLE = [reserved(), stored(0), failed(1, follows=True), stored(1, placeholder=True)]
TOLD = ["batch.completed", "batch.started", "image.completed", "image.failed"]


async def bodies(caller: Calling, webhook: Webhook) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in await caller.deliveries_of(webhook)]


async def test_a_batch_is_told_from_its_start_to_its_end(caller: Calling) -> None:
    webhook, _ = await caller.listens(URL)
    await tell(caller.gallery, *WHOLE)
    assert await caller.words_of(webhook) == TOLD


async def test_repeated_events_write_nothing_down_again(caller: Calling) -> None:
    webhook, _ = await caller.listens(URL)
    await tell(caller.gallery, *WHOLE)
    once = await caller.deliveries_of(webhook)
    await tell(caller.gallery, *WHOLE, *WHOLE)
    assert await caller.deliveries_of(webhook) == once


async def test_every_order_of_events_writes_the_same_down(light: Calling) -> None:
    for order in permutations(WHOLE):
        await emptied(light.database)
        webhook, _ = await light.listens(URL)
        await tell(light.gallery, *order, *order)
        assert await light.words_of(webhook) == TOLD, order


async def test_another_batch_is_told_under_other_ids(light: Calling) -> None:
    webhook, _ = await light.listens(URL)
    await tell(light.gallery, *WHOLE)
    ids = {each.id for each in await light.deliveries_of(webhook)}
    async with light.database.begin() as connection:
        await connection.execute(DELIVERIES.delete())
    await tell(light.gallery, reserved("b2", first=70))
    others = {each.id for each in await light.deliveries_of(webhook)}
    assert len(ids) == 4
    assert ids.isdisjoint(others)


async def test_what_is_true_and_what_is_to_be_told_are_one_commit(light: Calling) -> None:
    webhook, _ = await light.listens(URL)
    refuses = "CREATE TRIGGER breaks BEFORE INSERT ON changes BEGIN SELECT RAISE(ABORT, 'late'); END"
    async with light.database.begin() as connection:
        await connection.execute(text(refuses))
    with pytest.raises(IntegrityError):
        await tell(light.gallery, reserved())
    assert await light.deliveries_of(webhook) == []
    async with light.database.begin() as connection:
        await connection.execute(text("DROP TRIGGER breaks"))
    await tell(light.gallery, reserved())
    assert await light.words_of(webhook) == ["batch.started"]


async def test_a_webhook_hears_what_it_asked_for_of_its_owners_batches_alone(caller: Calling) -> None:
    asked, _ = await caller.listens(URL, "image.failed")
    others, _ = await caller.listens(URL, username="Nare")
    disabled, _ = await caller.listens(URL)
    await caller.webhooks.switch(disabled, enabled=False)
    await tell(caller.gallery, *WHOLE)
    assert await caller.words_of(asked) == ["image.failed"]
    assert await caller.words_of(others) == []
    assert await caller.words_of(disabled) == []


async def test_each_round_of_a_batch_ends(caller: Calling) -> None:
    webhook, _ = await caller.listens(URL, "batch.completed")
    await tell(caller.gallery, *WHOLE)
    caller.clock.now += 1
    await SqlBatches(caller.database).retry("b1", None)
    await tell(caller.gallery, stored(1, 2))
    told = [(each["data"]["round"], each["data"]["status"]) for each in await bodies(caller, webhook)]
    assert told == [(1, "partially_succeeded"), (2, "succeeded")]


async def test_a_refused_batch_ends_and_may_still_come_to_be(caller: Calling) -> None:
    webhook, _ = await caller.listens(URL)
    await SqlBatches(caller.database).accept(request(quantity=1))
    await tell(caller.gallery, rejected(), rejected())
    (refused,) = await bodies(caller, webhook)
    assert (refused["type"], refused["data"]["status"]) == ("batch.completed", "failed")
    assert refused["data"]["error"]["code"] == "invalid_size"
    await tell(caller.gallery, reserved(quantity=1), stored())
    assert await caller.words_of(webhook) == [
        "batch.completed",
        "batch.completed",
        "batch.started",
        "image.completed",
    ]


async def test_a_deleted_image_is_told(caller: Calling) -> None:
    webhook, _ = await caller.listens(URL, "image.deleted")
    await tell(caller.gallery, *WHOLE, deleted(FIRST), deleted(FIRST))
    (told,) = await bodies(caller, webhook)
    assert (told["data"]["ordinal"], told["data"]["status"], told["data"]["url"]) == (0, "deleted", None)


async def test_what_was_heard_before_its_owner_was_known_is_told_then(caller: Calling) -> None:
    webhook, _ = await caller.listens(URL)
    await tell(caller.gallery, failed(1))
    assert await caller.words_of(webhook) == []
    await tell(caller.gallery, reserved(), stored(0))
    assert await caller.words_of(webhook) == TOLD


async def test_images_are_spread_and_the_batch_is_not(caller: Calling) -> None:
    await caller.listens(URL)
    await tell(caller.gallery, reserved(quantity=4), *(stored(ordinal) for ordinal in range(4)))
    due = [(row.word, row.next_at - START) for row in await rows(caller.database, DELIVERIES)]
    assert sorted(at for word, at in due if word == "image.completed") == [0, PACE, 2 * PACE, 3 * PACE]
    assert [at for word, at in due if word.startswith("batch.")] == [0, 0]
    caller.clock.now += 100
    await tell(caller.gallery, reserved("b2", 1, first=70), stored(batch_id="b2", index=70))
    late = [row.next_at for row in await rows(caller.database, DELIVERIES) if row.batch_id == "b2"]
    assert set(late) == {caller.clock.now}


async def test_an_event_about_an_image_shows_it_as_the_api_does(light: Calling) -> None:
    webhook, _ = await light.listens(URL, "image.completed")
    await tell(light.gallery, reserved(), stored(0))
    (told,) = await bodies(light, webhook)
    assert told["timestamp"] == "2023-11-14T22:13:20Z"
    shown = told["data"]
    assert (shown["id"], shown["batch_id"], shown["index"]) == ("b1.0", "b1", FIRST)
    assert (shown["name"], shown["url"]) == (
        f"Areg_opal-fever_image_{FIRST}",
        f"https://images.test/v1/{FIRST}.png",
    )
    assert shown["urls"] == {"self": "/v1/images/b1.0", "batch": "/v1/batches/b1"}
    assert shown["character_id"] == "chr_opal"


async def test_an_event_about_a_batch_has_no_prompt_and_its_few_images(light: Calling) -> None:
    webhook, _ = await light.listens(URL, "batch.completed")
    await tell(light.gallery, *WHOLE)
    (told,) = await bodies(light, webhook)
    assert "prompt" not in told["data"]
    assert told["data"]["indexes"] == {"first": FIRST, "last": FIRST + 1}
    assert (told["data"]["succeeded"], told["data"]["placeholders"]) == (1, 1)
    assert [(each["index"], each["status"]) for each in told["data"]["images"]] == [
        (FIRST, "succeeded"),
        (FIRST + 1, "placeholder"),
    ]
    assert told["data"]["completed_at"] == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize("quantity", [16, 1000])
async def test_the_largest_events_keep_the_limit_of_20_kb(light: Calling, quantity: int) -> None:
    webhook, _ = await light.listens(URL)
    longest = Character(id="🔥" * 256, name="y" * 90, collection=OPAL.collection)
    more = {"character": longest, "prompt": "🔥" * 10_000, "style": "🔥" * 100}
    batch_id = "b" * 64
    events: list[Message] = [reserved(batch_id, quantity, first=10**14, **more)]
    for ordinal in range(quantity):
        wordy = failed(ordinal, batch_id=batch_id, index=10**14 + ordinal)
        events.append(wordy.model_copy(update={"detail": "🔥" * 5000}) if ordinal < 2 else wordy)
    await tell(light.gallery, *events)
    told = await light.deliveries_of(webhook)
    assert max(len(each.body.encode()) for each in told) < 20_000
    (end,) = [json.loads(each.body)["data"] for each in told if each.word == "batch.completed"]
    assert (end["failed"], end["images"] is None) == (quantity, quantity > 16)


async def test_a_moved_image_is_told_where_it_lies(light: Calling) -> None:
    webhook, _ = await light.listens(URL, "image.completed")
    await tell(light.gallery, reserved(), moved(0, 40), stored(0, index=40))
    assert [each["data"]["index"] for each in await bodies(light, webhook)] == [40]


async def test_nobody_who_listens_costs_no_body(light: Calling, sqlite: Database) -> None:
    await tell(light.gallery, *WHOLE)
    assert await rows(sqlite, DELIVERIES) == []
