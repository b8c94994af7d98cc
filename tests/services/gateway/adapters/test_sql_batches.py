"""Batches as their owner asks for them, on SQLite and PostgreSQL."""

from functools import partial
from typing import Any

import pytest

from chassis.database import Database
from contracts.commands import CancelBatch, GenerateBatch, RetryImages
from contracts.events import BatchFinished
from contracts.message import Message
from contracts.topology import BY_ROUTE
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.tables import BATCHES, OUTBOX
from services.gateway.domain.batches import BatchStatus, Sought, batch_status
from services.gateway.domain.images import Status
from services.gateway.ports import Canceling, OtherContent
from tests.services.gateway.databases import changes, commands, rows
from tests.services.gateway.events import FIRST, OPAL, deleted, failed, rejected, request, reserved, stored
from tests.services.gateway.readings import read, tell

NOW = 1000.0


@pytest.fixture
def batches(database: Database) -> SqlBatches:
    return SqlBatches(database, lambda: NOW)


@pytest.fixture
def gallery(database: Database) -> SqlGallery:
    return SqlGallery(database, lambda: NOW)


async def outbox(database: Database, kind: type[Message]) -> list[Message]:
    found = [row for row in await rows(database, OUTBOX) if row.route == kind.route()]
    return [BY_ROUTE[row.route].decode(row.body.encode()) for row in found]


async def statuses(database: Database) -> list[str]:
    return [image[0] for image in (await read(database)).images.values()]


async def test_an_accepted_batch_is_kept_together_with_its_command(
    database: Database, batches: SqlBatches
) -> None:
    batch = await batches.accept(request())
    assert (batch.request, batch.created_at) == (request(), NOW)
    assert await batches.find("b1", "Areg") == (batch, [])
    assert await outbox(database, GenerateBatch) == [request()]
    assert await changes(database) == [("b1", "accepted", {})]


async def test_the_same_request_again_is_the_same_batch(database: Database, batches: SqlBatches) -> None:
    batch = await batches.accept(request())
    assert await SqlBatches(database, lambda: NOW + 9).accept(request()) == batch
    assert await commands(database) == ["GenerateBatch"]
    assert len(await changes(database)) == 1


@pytest.mark.parametrize(
    "other", [{"prompt": "elsewhere"}, {"username": "Mara"}, {"parameters": {"a": True}}]
)
async def test_a_known_id_with_other_content_is_refused(
    database: Database, batches: SqlBatches, other: dict[str, Any]
) -> None:
    batch = await batches.accept(request(parameters={"a": 1}))
    with pytest.raises(OtherContent):
        await batches.accept(request(**{"parameters": {"a": 1}, **other}))
    assert await batches.find("b1", "Areg") == (batch, [])
    assert len(await rows(database, OUTBOX)) == 1


async def test_a_batch_whose_events_came_first_is_accepted_without_another_command(
    database: Database, batches: SqlBatches, gallery: SqlGallery
) -> None:
    await tell(gallery, reserved())
    batch = await batches.accept(request())
    assert batch.first == FIRST
    assert await commands(database) == []


async def test_a_batch_of_which_only_images_were_heard_is_accepted_with_its_command(
    database: Database, batches: SqlBatches, gallery: SqlGallery
) -> None:
    await tell(gallery, stored(0))
    await batches.accept(request())
    assert await commands(database) == ["GenerateBatch"]
    assert (await read(database)).status == "running"


async def test_a_batch_is_over_with_its_last_image_and_until_a_retry(
    batches: SqlBatches, gallery: SqlGallery
) -> None:
    await batches.accept(request())
    await tell(gallery, reserved(), stored(0))
    assert not await batches.is_over("b1")
    await tell(gallery, failed(1))
    assert await batches.is_over("b1")
    await batches.retry("b1", None)
    assert not await batches.is_over("b1")
    assert not await batches.is_over("unknown")


async def test_somebody_elses_batch_is_not_found(batches: SqlBatches) -> None:
    await batches.accept(request())
    assert await batches.find("b1", "Mara") is None
    assert await batches.find("b2", "Areg") is None


async def test_what_was_reserved_is_the_truth_about_the_request(
    batches: SqlBatches, gallery: SqlGallery
) -> None:
    await batches.accept(request())
    await tell(gallery, reserved(username="Mara", quantity=3))
    assert await batches.find("b1", "Areg") is None
    found = await batches.find("b1", "Mara")
    assert found is not None
    assert found[0].request == request(username="Mara", quantity=3)


async def test_the_list_is_newest_first_and_counts_images(
    database: Database, batches: SqlBatches, gallery: SqlGallery
) -> None:
    await batches.accept(request("old"))
    await SqlBatches(database, lambda: NOW + 1).accept(request("new"))
    await batches.accept(request("hers", username="Mara"))
    await tell(gallery, reserved("old"), stored(batch_id="old"), stored(batch_id="unasked"))
    listed = await batches.list("Areg", None, 10)
    assert [summary.batch.request.batch_id for summary in listed] == ["new", "old"]
    assert [dict(summary.counts) for summary in listed] == [{}, {Status.SUCCEEDED: 1, Status.QUEUED: 1}]


async def test_pages_of_batches_made_at_the_same_moment_miss_none_and_repeat_none(
    batches: SqlBatches,
) -> None:
    made = [f"{prefix}{n}" for n in range(5) for prefix in ("b-", "B_", "b")]
    for batch_id in made:
        await batches.accept(request(batch_id))
    seen: list[str] = []
    before = None
    while page := await batches.list("Areg", before, 4):
        seen += [summary.batch.request.batch_id for summary in page]
        before = page[-1].batch.created_at, page[-1].batch.request.batch_id
    assert sorted(seen) == sorted(made)
    assert len(seen) == len(set(seen))


async def test_a_cancelled_batch_is_canceling_until_every_image_has_ended(
    database: Database, batches: SqlBatches, gallery: SqlGallery
) -> None:
    await batches.accept(request())
    await tell(gallery, reserved(), stored(0))
    for _ in range(2):
        await batches.cancel("b1")
    assert (await read(database)).status == "canceling"
    assert await outbox(database, CancelBatch) == [CancelBatch(batch_id="b1", round=1)]
    await tell(gallery, failed(1, code="cancelled"))
    assert (await read(database)).status == "canceled"
    assert await commands(database) == []
    assert [kind for _, kind, _ in await changes(database)].count("cancel") == 1


async def test_a_batch_can_be_cancelled_before_it_has_numbers(
    database: Database, batches: SqlBatches
) -> None:
    await batches.accept(request())
    await batches.cancel("b1")
    assert (await read(database)).status == "canceling"
    assert await commands(database) == ["CancelBatch", "GenerateBatch"]


@pytest.mark.parametrize("end", [[reserved(), stored(0), failed(1)], [rejected()]])
async def test_a_batch_that_has_ended_is_not_cancelled(
    database: Database, batches: SqlBatches, gallery: SqlGallery, end: list[Message]
) -> None:
    await batches.accept(request())
    await tell(gallery, *end)
    await batches.cancel("b1")
    assert await commands(database) == []
    (row,) = await rows(database, BATCHES)
    assert row.cancel_requested_at is None


ENDS = [
    reserved(quantity=5),
    stored(0),
    failed(1),
    failed(2, code="cancelled"),
    stored(3, placeholder=True),
    stored(4),
    deleted(FIRST + 4),
]


async def test_a_retry_reopens_what_failed_was_cancelled_or_is_a_placeholder(
    database: Database, batches: SqlBatches, gallery: SqlGallery
) -> None:
    await tell(gallery, *ENDS)
    assert (await read(database)).finished
    assert await batches.retry("b1", None) == 3
    assert await statuses(database) == ["succeeded", "queued", "queued", "queued", "deleted"]
    reading = await read(database)
    assert (reading.status, reading.ended, reading.finished) == ("running", 2, False)
    retry = RetryImages(batch_id="b1", round=2, ordinals=(1, 2, 3))
    assert await outbox(database, RetryImages) == [retry]
    assert (await changes(database))[-1] == ("b1", "retry", {"round": 2, "ordinals": [1, 2, 3]})


async def test_a_retry_reopens_only_what_is_named(
    database: Database, batches: SqlBatches, gallery: SqlGallery
) -> None:
    await tell(gallery, *ENDS)
    assert await batches.retry("b1", [0, 2, 4]) == 1
    assert await statuses(database) == ["succeeded", "failed", "queued", "placeholder", "deleted"]


async def test_a_deleted_image_cannot_be_retried(
    database: Database, batches: SqlBatches, gallery: SqlGallery
) -> None:
    await tell(gallery, *ENDS)
    assert await batches.retry("b1", [4]) == 0
    assert await commands(database) == []
    assert (await read(database)).finished


async def test_the_second_retry_of_a_batch_is_another_command_than_the_first(
    database: Database, batches: SqlBatches, gallery: SqlGallery
) -> None:
    await tell(gallery, *ENDS)
    await batches.retry("b1", [1])
    await batches.retry("b1", [2])
    sent = await outbox(database, RetryImages)
    assert sorted((retry.round, retry.ordinals) for retry in sent if isinstance(retry, RetryImages)) == [
        (2, (1,)),
        (3, (2,)),
    ]


async def test_a_batch_that_was_retried_ends_again_under_another_id(
    batches: SqlBatches, gallery: SqlGallery
) -> None:
    ids = []
    await tell(gallery, *ENDS)
    for round_, ordinal in ((2, 1), (3, 2), (4, 1)):
        await batches.retry("b1", [ordinal])
        (end,) = [m for m in await tell(gallery, failed(ordinal, round_)) if isinstance(m, BatchFinished)]
        ids.append(end.id())
    assert len(set(ids)) == 3


async def test_events_of_the_round_before_do_not_end_a_retried_image(
    database: Database, batches: SqlBatches, gallery: SqlGallery
) -> None:
    await tell(gallery, *ENDS)
    await batches.retry("b1", None)
    await tell(gallery, *ENDS)
    assert await statuses(database) == ["succeeded", "queued", "queued", "queued", "deleted"]


async def test_a_batch_that_is_being_cancelled_cannot_be_retried_until_its_end(
    database: Database, batches: SqlBatches, gallery: SqlGallery
) -> None:
    await tell(gallery, reserved(), failed(0))
    await batches.cancel("b1")
    with pytest.raises(Canceling):
        await batches.retry("b1", None)
    assert await commands(database) == ["CancelBatch"]
    await tell(gallery, failed(1, code="cancelled"))
    assert await batches.retry("b1", None) == 2
    found = await batches.find("b1", "Areg")
    assert found is not None
    assert batch_status(found[0], {Status.QUEUED: 2}) == "queued"
    await batches.cancel("b1")
    assert (await read(database)).status == "canceling"
    assert await commands(database) == ["CancelBatch", "RetryImages"]
    # The round that was asked for again, and not a copy of the first cancel.
    assert await outbox(database, CancelBatch) == [CancelBatch(batch_id="b1", round=2)]


async def test_a_list_is_narrowed_by_the_words_that_people_see(
    database: Database, batches: SqlBatches, gallery: SqlGallery
) -> None:
    story: dict[str, list[Message]] = {
        "queued": [],
        "numbered": [reserved("numbered")],
        "running": [reserved("running"), stored(batch_id="running")],
        "drawn": [reserved("drawn"), failed(batch_id="drawn", follows=True)],
        "succeeded": [reserved("succeeded"), *(stored(n, batch_id="succeeded") for n in range(2))],
        "partial": [reserved("partial"), stored(batch_id="partial"), failed(1, batch_id="partial")],
        "failed": [rejected("failed")],
        "canceling": [reserved("canceling"), stored(batch_id="canceling")],
        "canceled": [
            reserved("canceled"),
            *(failed(n, code="cancelled", batch_id="canceled") for n in range(2)),
        ],
    }
    for batch_id, events in story.items():
        await batches.accept(request(batch_id))
        await tell(gallery, *events)
    await batches.cancel("canceling")
    everything = await batches.list("Areg", None, 100)
    for word in BatchStatus:
        found = await batches.list("Areg", None, 100, Sought(status=word))
        same = [each for each in everything if batch_status(each.batch, each.counts) is word]
        assert found == same != [], word


async def test_a_list_is_narrowed_by_character_and_time(database: Database, batches: SqlBatches) -> None:
    other = OPAL.model_copy(update={"id": "chr_other"})
    for number in range(3):
        await SqlBatches(database, partial(float, NOW + number)).accept(request(f"b{number}"))
    await batches.accept(request("other", character=other))

    async def found(sought: Sought) -> set[str]:
        return {each.batch.request.batch_id for each in await batches.list("Areg", None, 10, sought)}

    assert await found(Sought(character_id="chr_other")) == {"other"}
    assert await found(Sought(created_after=NOW + 1)) == {"b1", "b2"}
    assert await found(Sought(created_before=NOW + 1)) == {"b0", "other"}
    assert await found(Sought(character_id="chr_opal", created_after=NOW, created_before=NOW + 1)) == {"b0"}
