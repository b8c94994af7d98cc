"""The event log as its readers see it, on both databases."""

import asyncio

import pytest
from sqlalchemy import insert

from chassis.database import Database
from services.gateway import handlers
from services.gateway.adapters import sql_changes
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_changes import SqlChanges
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.tables import CHANGES
from services.gateway.domain.changes import Change
from tests.services.gateway.events import request, reserved, stored
from tests.services.gateway.readings import tell


async def heard(database: Database, *batch_ids: str) -> list[int]:
    """A batch of two with one image, each; the ids of their last changes."""
    gallery, log = SqlGallery(database), SqlChanges(database)
    for batch_id in batch_ids:
        await gallery.reserved(reserved(batch_id))
        await handlers.on_image_stored(stored(1, batch_id=batch_id), gallery=gallery)
    return [await log.latest(batch_id) for batch_id in batch_ids]


async def test_changes_come_in_order_and_in_parts(database: Database) -> None:
    last, _ = await heard(database, "b1", "b2")
    log = SqlChanges(database)
    told = await log.after("b1", 0, 10)
    assert told == [Change(last - 1, None), Change(last, 1)]
    assert await log.after("b1", 0, 1) == told[:1]
    assert await log.after("b1", told[0].id, 10) == told[1:]
    assert await log.after("b1", last, 10) == []


async def test_a_wish_of_the_owner_is_a_change_of_the_batch_itself(database: Database) -> None:
    batches, log = SqlBatches(database), SqlChanges(database)
    await batches.accept(request())
    await batches.cancel("b1")
    assert [change.ordinal for change in await log.after("b1", 0, 10)] == [None, None]


async def test_a_change_is_known_of_its_own_batch_alone(database: Database) -> None:
    one, two = await heard(database, "b1", "b2")
    log = SqlChanges(database)
    assert await log.knows("b1", one)
    assert not await log.knows("b1", two)
    assert not await log.knows("b1", 10**18 - 1)


async def test_a_batch_that_is_not_there_has_no_changes(database: Database) -> None:
    log = SqlChanges(database)
    assert (await log.latest("b1"), await log.newest(), await log.grown(0)) == (0, 0, (0, []))


async def test_of_each_batch_that_changed_the_watch_is_told_once(database: Database) -> None:
    log = SqlChanges(database)
    await heard(database, "b1")
    seen = await log.newest()
    _, last = await heard(database, "b3", "b2")
    newest, grown = await log.grown(seen)
    assert (newest, sorted(grown)) == (last, ["b2", "b3"])
    assert await log.grown(newest) == (newest, [])


async def test_a_reader_beside_many_writers_skips_no_change(database: Database) -> None:
    """A later id never becomes visible before an earlier one, or the watch would pass it by."""
    gallery, log = SqlGallery(database), SqlChanges(database)
    names = [f"b{number}" for number in range(12)]
    writing = asyncio.gather(*(gallery.reserved(reserved(name)) for name in names))
    seen, told = 0, list[str]()
    while not writing.done():
        seen, grown = await log.grown(seen)
        told += grown
    await writing
    told += (await log.grown(seen))[1]
    assert sorted(told) == sorted(names)


async def test_a_glance_shows_the_batch_and_only_the_images_that_are_asked_for(database: Database) -> None:
    await heard(database, "b1", "b2")
    summary, images = await SqlBatches(database).glance("b1", [1])
    assert (summary.batch.request.batch_id, dict(summary.counts)) == ("b1", {"queued": 1, "succeeded": 1})
    assert [(image.ordinal, image.status) for image in images] == [(1, "succeeded")]
    assert (await SqlBatches(database).glance("b1", []))[1] == []


async def test_old_changes_are_pruned_and_what_is_left_is_the_whole_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_changes, "PORTION", 2)
    async with database.begin() as connection:
        told = [{"batch_id": "b1", "kind": "x", "body": "{}", "at": at} for at in (1, 2, 9, 3, 4, 12)]
        await connection.execute(insert(CHANGES), told)
    log = SqlChanges(database)
    before = [change.id for change in await log.after("b1", 0, 10)]
    # A clock that went back in between does not tear a hole.
    assert await log.prune(5.0) == 2
    assert [change.id for change in await log.after("b1", 0, 10)] == before[2:]
    assert not await log.knows("b1", before[1])
    assert await log.knows("b1", before[2])
    assert await log.prune(20.0) == 4
    assert await log.prune(20.0) == 0


async def test_a_stream_that_found_nothing_logged_resumes_only_where_that_is_still_so(
    database: Database,
) -> None:
    log = SqlChanges(database)
    assert await log.knows("b1", 0)
    await tell(SqlGallery(database), reserved())
    assert not await log.knows("b1", 0)
