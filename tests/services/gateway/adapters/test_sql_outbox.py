"""Accepted commands until they are answered, on SQLite and PostgreSQL."""

import pytest
from sqlalchemy import update

from chassis.database import Database
from contracts.commands import CancelBatch, DeleteImage, OpenFolder
from contracts.message import Message
from services.gateway.adapters.batch_rows import enqueue
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.sql_outbox import TURN, SqlOutbox
from services.gateway.adapters.tables import OUTBOX
from services.gateway.domain.resend import LONGEST
from tests.services.gateway.databases import commands, ids, rows
from tests.services.gateway.events import FOLDER, failed, public_id, rejected, request, reserved, stored
from tests.services.gateway.readings import tell

MINUTE, HOUR = 60.0, 3600.0
CANCEL = CancelBatch(batch_id="b1")


@pytest.fixture
def outbox(database: Database) -> SqlOutbox:
    return SqlOutbox(database)


async def put(database: Database, *messages: Message, now: float = 0.0) -> None:
    async with database.begin() as connection:
        await enqueue(database, connection, messages, now)


async def due(outbox: SqlOutbox, now: float) -> list[Message]:
    """What is due, seen to be sent."""
    taken = await outbox.due(now, 10)
    await outbox.sent([each.id for each in taken], now)
    return [each.command for each in taken]


async def test_what_is_put_in_is_due_at_once_the_oldest_first(database: Database, outbox: SqlOutbox) -> None:
    await put(database, request("late"), now=2.0)
    await put(database, request("early"), now=1.0)
    assert await outbox.due(0.5, 10) == []
    assert [each.command for each in await outbox.due(2.0, 10)] == [request("early"), request("late")]


@pytest.mark.parametrize("spoiled", [{"route": "RetryImages.v9"}, {"body": "{}"}], ids=["route", "body"])
async def test_a_command_that_can_not_be_read_holds_up_no_other(
    database: Database, outbox: SqlOutbox, spoiled: dict[str, str]
) -> None:
    await put(database, request("b1"), now=1.0)
    async with database.begin() as connection:
        await connection.execute(update(OUTBOX).values(**spoiled))
    await put(database, request("b2"), now=2.0)
    assert await due(outbox, 2.0) == [request("b2")]
    assert await due(outbox, 2.0 + LONGEST - 1) == [request("b2")]
    # It is kept: the release that put it in may come back.
    assert len(await rows(database, OUTBOX)) == 2


async def test_no_more_is_taken_than_was_asked_for(database: Database, outbox: SqlOutbox) -> None:
    await put(database, *(request(f"b{n}") for n in range(5)))
    sizes = [len(await outbox.due(0.0, 2)) for _ in range(4)]
    assert sizes == [2, 2, 1, 0]


async def test_what_was_taken_is_nobody_elses_until_the_turn_is_over(
    database: Database, outbox: SqlOutbox
) -> None:
    await put(database, CANCEL)
    assert len(await outbox.due(0.0, 10)) == 1
    assert await outbox.due(TURN - 1, 10) == []
    assert len(await outbox.due(TURN, 10)) == 1


async def test_what_could_not_be_sent_is_due_at_once(database: Database, outbox: SqlOutbox) -> None:
    await put(database, CANCEL)
    await outbox.due(0.0, 10)
    await outbox.unsent(ids([CANCEL]), 1.0)
    assert await outbox.due(0.5, 10) == []
    assert len(await outbox.due(1.0, 10)) == 1


async def test_a_command_put_in_twice_is_one(database: Database, outbox: SqlOutbox) -> None:
    await put(database, CANCEL)
    await due(outbox, 0.0)
    await put(database, CANCEL, now=1.0)
    assert await due(outbox, 1.0) == []


async def test_resend_comes_after_15_minutes_then_doubles_to_6_hours(
    database: Database, outbox: SqlOutbox
) -> None:
    await put(database, CANCEL)
    now = 0.0
    assert await due(outbox, now) == [CANCEL]
    for wait in (15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 6 * HOUR):
        assert await due(outbox, now + wait - 1) == []
        now += wait
        assert await due(outbox, now) == [CANCEL]


async def test_resend_waits_while_the_batch_is_heard_of(database: Database, outbox: SqlOutbox) -> None:
    await SqlBatches(database, lambda: 0.0).accept(request())
    assert await due(outbox, 0.0) == [request()]
    for moment in (10 * MINUTE, 20 * MINUTE):
        await tell(SqlGallery(database, lambda at=moment: at), reserved())  # type: ignore[misc]
    assert await due(outbox, 15 * MINUTE) == []
    assert await due(outbox, 35 * MINUTE - 1) == []
    assert await due(outbox, 35 * MINUTE) == [request()]


async def test_the_first_sending_waits_for_no_silence(database: Database, outbox: SqlOutbox) -> None:
    await tell(SqlGallery(database, lambda: 0.0), reserved())
    await SqlBatches(database, lambda: 1.0).cancel("b1")
    assert await due(outbox, 1.0) == [CancelBatch(batch_id="b1", round=1)]


async def test_every_unanswered_command_can_be_made_due(database: Database, outbox: SqlOutbox) -> None:
    await SqlBatches(database, lambda: 0.0).accept(request())
    await due(outbox, 0.0)
    await tell(SqlGallery(database, lambda: 1.0), reserved())
    await outbox.all_due()
    assert await due(outbox, 2.0) == [request()]
    assert await due(outbox, 2.0 + 15 * MINUTE - 1) == []
    assert await due(outbox, 2.0 + 15 * MINUTE) == [request()]


async def test_a_folder_is_opened_when_the_broker_has_the_command(
    database: Database, outbox: SqlOutbox
) -> None:
    opening = OpenFolder(folder=FOLDER)
    await put(database, opening, DeleteImage(public_id=public_id(1)))
    taken = await outbox.due(0.0, 10)
    assert await commands(database) == ["DeleteImage", "OpenFolder"]
    await outbox.sent([each.id for each in taken], 0.0)
    assert await commands(database) == ["DeleteImage"]


async def test_every_command_about_a_batch_is_answered_by_its_end(
    database: Database, outbox: SqlOutbox
) -> None:
    batches, gallery = SqlBatches(database), SqlGallery(database)
    for batch_id in ("b1", "b2"):
        await batches.accept(request(batch_id))
    await batches.cancel("b1")
    await tell(gallery, reserved(), stored(0))
    assert await commands(database) == ["CancelBatch", "GenerateBatch", "GenerateBatch"]
    await tell(gallery, failed(1, code="cancelled"))
    assert await commands(database) == ["GenerateBatch"]


async def test_every_command_about_a_batch_is_answered_by_its_refusal(database: Database) -> None:
    batches = SqlBatches(database)
    await batches.accept(request())
    await batches.cancel("b1")
    await tell(SqlGallery(database), rejected())
    assert await commands(database) == []


async def test_a_retry_is_answered_when_its_images_have_ended_in_that_round(database: Database) -> None:
    batches, gallery = SqlBatches(database), SqlGallery(database)
    await tell(gallery, reserved(quantity=4), failed(0), failed(1), failed(2))
    await batches.retry("b1", [0, 1])
    await batches.retry("b1", [2])
    await tell(gallery, failed(0, 2), failed(1, 1), failed(1, 2, follows=True))
    assert await commands(database) == ["RetryImages", "RetryImages"]
    await tell(gallery, stored(1, 2, placeholder=True))
    assert await commands(database) == ["RetryImages"]
    await tell(gallery, stored(2, 3))
    assert await commands(database) == []


async def test_a_command_asked_for_again_while_the_first_was_on_its_way_is_sent(
    database: Database, outbox: SqlOutbox
) -> None:
    batches, gallery = SqlBatches(database, lambda: 1.0), SqlGallery(database)
    await tell(gallery, reserved(), failed(0))
    await batches.cancel("b1")
    taken = await outbox.due(1.0, 10)
    await tell(gallery, failed(1, code="cancelled"))
    await batches.retry("b1", None)
    await batches.cancel("b1")
    await outbox.sent([each.id for each in taken], 2.0)
    assert CancelBatch(batch_id="b1", round=2) in await due(outbox, 2.0)


async def test_the_oldest_unanswered_command_is_known(database: Database, outbox: SqlOutbox) -> None:
    assert await outbox.oldest() == (None, None)
    await put(database, request("late"), now=2.0)
    await put(database, request("early"), now=1.0)
    assert await outbox.oldest() == (1.0, 1.0)
    await outbox.sent([each.id for each in await outbox.due(1.0, 10)], 1.0)
    assert await outbox.oldest() == (1.0, 2.0)
