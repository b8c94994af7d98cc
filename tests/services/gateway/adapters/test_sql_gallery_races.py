"""What two replicas of the gateway do at the same moment, on PostgreSQL."""

import asyncio

import pytest

from chassis.database import Database
from contracts.commands import RetryImages
from contracts.events import BatchFinished
from contracts.message import Message
from services.gateway.adapters.batch_rows import enqueue
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.sql_outbox import SqlOutbox
from tests.services.gateway.databases import commands, ids, stuck
from tests.services.gateway.events import FIRST, deleted, failed, request, reserved, stored
from tests.services.gateway.races import asset_lock, batch_lock, held, log_lock
from tests.services.gateway.readings import read, tell


async def test_exactly_one_of_two_concurrent_last_images_says_the_end(
    postgres: Database, other: Database
) -> None:
    one, two = SqlGallery(postgres), SqlGallery(other)
    await tell(one, reserved())
    async with held(postgres, batch_lock(postgres), 2):
        last = [
            asyncio.create_task(tell(gallery, stored(ordinal))) for ordinal, gallery in enumerate((one, two))
        ]
    said = [message for each in await asyncio.gather(*last) for message in each]
    assert len([message for message in said if isinstance(message, BatchFinished)]) == 1
    reading = await read(postgres)
    assert (reading.ended, reading.finished) == (2, True)


async def test_events_of_a_batch_that_nobody_knows_yet_meet_in_one_row(
    postgres: Database, other: Database
) -> None:
    events: list[Message] = [reserved(quantity=8), *(stored(n) for n in range(8))]
    galleries = [SqlGallery(postgres), SqlGallery(other)]
    said = await asyncio.gather(
        *(tell(gallery, event) for event in events for gallery in galleries),
    )
    assert any(isinstance(message, BatchFinished) for each in said for message in each)
    assert (await read(postgres)).ended == 8


@pytest.mark.parametrize("first", ["stored", "deleted"])
async def test_an_image_stored_and_deleted_at_the_same_moment_is_deleted(
    postgres: Database, other: Database, first: str
) -> None:
    one, two = SqlGallery(postgres), SqlGallery(other)
    await tell(one, reserved(quantity=1))
    storing, deleting = tell(one, stored()), tell(two, deleted())
    order = [storing, deleting] if first == "stored" else [deleting, storing]
    async with postgres.begin() as connection:
        await asset_lock(FIRST)(connection)
        tasks = []
        for waiting, work in enumerate(order, 1):
            tasks.append(asyncio.create_task(work))
            await stuck(postgres, waiting)
    await asyncio.gather(*tasks)
    assert (await read(postgres)).images[0][0] == "deleted"


async def test_an_image_deleted_while_its_storing_is_about_to_commit_is_deleted(
    postgres: Database, other: Database
) -> None:
    one, two = SqlGallery(postgres), SqlGallery(other)
    await tell(one, reserved(quantity=1))
    async with postgres.begin() as connection:
        await log_lock(connection)
        storing = asyncio.create_task(tell(one, stored()))
        await stuck(postgres, 1)
        deleting = asyncio.create_task(tell(two, deleted()))
        await stuck(postgres, 2)
    await asyncio.gather(storing, deleting)
    assert (await read(postgres)).images[0][0] == "deleted"


async def test_an_image_that_is_shown_and_heard_of_while_it_is_deleted_is_deleted(
    postgres: Database, other: Database
) -> None:
    one, two = SqlGallery(postgres), SqlGallery(other)
    await tell(one, reserved(quantity=1), stored())
    async with postgres.begin() as connection:
        await log_lock(connection)
        hearing = asyncio.create_task(tell(one, failed(0, 2)))
        await stuck(postgres, 1)
        deleting = asyncio.create_task(tell(two, deleted()))
        await stuck(postgres, 2)
    await asyncio.gather(hearing, deleting)
    assert (await read(postgres)).images[0][0] == "deleted"


async def test_an_image_of_a_batch_that_nobody_knows_yet_is_held_while_it_is_stored(
    postgres: Database, other: Database
) -> None:
    """Its batch has no row to be locked with it."""
    async with postgres.begin() as connection:
        await log_lock(connection)
        storing = asyncio.create_task(tell(SqlGallery(postgres), stored()))
        await stuck(postgres, 1)
        deleting = asyncio.create_task(tell(SqlGallery(other), deleted()))
        await stuck(postgres, 2)
    await asyncio.gather(storing, deleting)
    assert (await read(postgres)).images[0][0] == "deleted"


async def test_a_batch_accepted_twice_at_once_is_one_batch_and_one_command(
    postgres: Database, other: Database
) -> None:
    async with held(postgres, batch_lock(postgres), 2):
        both = [asyncio.create_task(SqlBatches(each).accept(request())) for each in (postgres, other)]
    one, two = await asyncio.gather(*both)
    assert one == two
    assert await commands(postgres) == ["GenerateBatch"]


async def test_retries_at_once_have_rounds_of_their_own(postgres: Database, other: Database) -> None:
    await tell(SqlGallery(postgres), reserved(quantity=3), failed(0), failed(1))
    async with held(postgres, batch_lock(postgres), 2):
        both = [
            asyncio.create_task(SqlBatches(each).retry("b1", [ordinal]))
            for ordinal, each in enumerate((postgres, other))
        ]
    assert await asyncio.gather(*both) == [1, 1]
    assert await commands(postgres) == ["RetryImages", "RetryImages"]


async def test_commands_sent_while_they_are_answered_end_in_no_deadlock(
    postgres: Database, other: Database
) -> None:
    for n in range(5):
        batch_id = f"b{n}"
        await SqlBatches(postgres).accept(request(batch_id, quantity=1))
        retries = [RetryImages(batch_id=batch_id, round=round_, ordinals=(0,)) for round_ in range(2, 200)]
        async with postgres.begin() as connection:
            await enqueue(postgres, connection, retries, 0.0)
        await SqlOutbox(postgres).due(1e12, 1000)
        await asyncio.gather(
            tell(SqlGallery(postgres), stored(batch_id=batch_id)),
            SqlOutbox(other).sent(ids(retries[::-1]), 0.0),
            SqlOutbox(other).unsent(ids(retries), 0.0),
        )
    assert await commands(postgres) == []


async def test_a_command_is_taken_by_one_replica_only(postgres: Database, other: Database) -> None:
    for n in range(60):
        await SqlBatches(postgres, lambda: 100.0).accept(request(f"b{n}"))
    taken = await asyncio.gather(
        *(SqlOutbox(each).due(100.0, 10) for each in (postgres, other) for _ in range(4))
    )
    keys = [each.id for group in taken for each in group]
    assert len(keys) == len(set(keys))
    assert 0 < len(keys) <= 60
