"""Events of images that arrive together: one commit, and the same end as one by one."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from chassis.database import Database
from contracts.events import BatchFinished
from contracts.message import Message
from contracts.transient import ChangesLogged
from services.gateway.adapters.hearing import MOST_AT_ONCE
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.domain.images import ImageState
from tests.services.gateway.adapters.test_sql_gallery import commits, ends
from tests.services.gateway.databases import changes, commands, emptied
from tests.services.gateway.events import FIRST, deleted, failed, moved, request, reserved, stored
from tests.services.gateway.histories import thirty_histories
from tests.services.gateway.readings import imagined, read, tell


@pytest.fixture
def gallery(database: Database) -> SqlGallery:
    return SqlGallery(database)


@contextmanager
def statements() -> Iterator[list[str]]:
    seen: list[str] = []

    def saw(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", saw)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", saw)


async def at_once(gallery: SqlGallery, events: Sequence[Message]) -> list[Message]:
    """Handles all of them at the same time; what was said."""
    told = await asyncio.gather(*(tell(gallery, event) for event in events))
    return [said for each in told for said in each]


async def test_what_arrives_together_shares_a_commit_and_one_speaks_for_all(
    database: Database, gallery: SqlGallery
) -> None:
    batches = ["b1", "b2", "b3"]
    for batch_id in batches:
        await tell(gallery, reserved(batch_id, 4))
    images = [stored(ordinal, batch_id=batch_id) for ordinal in range(4) for batch_id in batches]
    with commits() as seen:
        said = await at_once(gallery, images)
    assert len(seen) == 1
    assert sorted(end.batch_id for end in ends(said)) == batches
    hints = [message.batch_id for message in said if isinstance(message, ChangesLogged)]
    assert sorted(hints) == batches
    for batch_id in batches:
        reading = await read(database, batch_id)
        assert (reading.status, reading.ended, reading.finished) == ("succeeded", 4, True)
    logged = [
        (batch_id, body["ordinal"]) for batch_id, kind, body in await changes(database) if kind == "image"
    ]
    assert sorted(logged) == [(batch_id, ordinal) for batch_id in batches for ordinal in range(4)]


async def test_an_image_that_ends_its_batch_takes_few_round_trips(postgres: Database) -> None:
    """Of its statements; its transaction has two more."""
    batches, gallery = SqlBatches(postgres), SqlGallery(postgres)
    await batches.accept(request(quantity=1))
    await tell(gallery, reserved(quantity=1))
    with statements() as seen:
        (end,) = ends(await tell(gallery, stored()))
    assert end.succeeded == 1
    first_words = [statement.split()[0] for statement in seen]
    assert first_words == ["WITH", "SELECT", "INSERT", "UPDATE", "DELETE", "WITH"], seen


async def test_more_than_fit_into_a_commit_are_all_heard(sqlite: Database) -> None:
    gallery, many = SqlGallery(sqlite), 2 * MOST_AT_ONCE + 1
    await tell(gallery, reserved(quantity=many))
    with commits() as seen:
        said = await at_once(gallery, [stored(ordinal) for ordinal in range(many)])
    assert len(seen) == 3
    assert len(ends(said)) == 1
    assert (await read(sqlite)).ended == many


async def test_several_events_of_one_image_together_are_read_as_one_by_one(
    database: Database, gallery: SqlGallery
) -> None:
    events = [
        failed(0, follows=True),
        stored(0, placeholder=True),
        moved(0, FIRST + 30, 2),
        stored(0, 2, index=FIRST + 30),
        failed(1),
        failed(1),
    ]
    await tell(gallery, reserved())
    with commits() as seen:
        (end,) = ends(await at_once(gallery, events))
    assert len(seen) == 1
    assert await read(database) == imagined([reserved(), *events])
    assert [result.status for result in end.results] == ["succeeded", "failed"]


async def test_an_event_that_breaks_costs_those_beside_it_nothing(
    database: Database, gallery: SqlGallery
) -> None:
    def broken(_known: ImageState) -> ImageState:
        raise ArithmeticError("this one alone")

    await tell(gallery, reserved(quantity=3))
    told = await asyncio.gather(
        tell(gallery, stored(0)),
        gallery.heard("b1", 1, FIRST + 1, broken),
        tell(gallery, stored(2)),
        return_exceptions=True,
    )
    assert [isinstance(each, ArithmeticError) for each in told] == [False, True, False]
    assert [image[0] for image in (await read(database)).images.values()] == [
        "succeeded",
        "queued",
        "succeeded",
    ]


async def test_an_end_heard_again_beside_others_is_said_again(gallery: SqlGallery) -> None:
    (end,) = ends(await tell(gallery, reserved(), stored(0), stored(1)))
    assert ends(await at_once(gallery, [stored(0), stored(1)])) == [end]


async def test_deletions_that_were_heard_before_count_for_each_image_of_a_group(
    database: Database, gallery: SqlGallery
) -> None:
    await tell(gallery, reserved(quantity=3), deleted(FIRST), deleted(FIRST + 2))
    await at_once(gallery, [stored(ordinal) for ordinal in range(3)])
    assert [image[0] for image in (await read(database)).images.values()] == [
        "deleted",
        "succeeded",
        "deleted",
    ]


async def test_retries_of_several_batches_are_answered_together(
    database: Database, gallery: SqlGallery
) -> None:
    for batch_id in ("b1", "b2"):
        await tell(gallery, reserved(batch_id), *(failed(ordinal, batch_id=batch_id) for ordinal in range(2)))
        await SqlBatches(database).accept(request(batch_id))
        await SqlBatches(database).retry(batch_id, None)
    assert await commands(database) == ["RetryImages", "RetryImages"]
    again = [stored(ordinal, 2, batch_id=batch_id) for batch_id in ("b1", "b2") for ordinal in range(2)]
    assert {end.round for end in ends(await at_once(gallery, again))} == {2}
    assert await commands(database) == []


async def test_replicas_that_hear_of_the_same_batches_in_other_orders_end_in_no_deadlock(
    postgres: Database, other: Database
) -> None:
    one, two = SqlGallery(postgres), SqlGallery(other)
    names = [f"b{n}" for n in range(12)]
    events = [stored(ordinal, batch_id=batch_id) for batch_id in names for ordinal in range(2)]
    said = await asyncio.gather(at_once(one, events), at_once(two, events[::-1]))
    for batch_id in names:
        assert (await read(postgres, batch_id)).ended == 2
    numbered = [reserved(batch_id) for batch_id in names]
    said = await asyncio.gather(at_once(one, [*events, *numbered]), at_once(two, [*numbered, *events]))
    assert {end.batch_id for each in said for end in each if isinstance(end, BatchFinished)} == set(names)


@thirty_histories
async def test_any_events_at_once_with_repetitions_are_read_as_one_by_one(
    database: Database, history: tuple[list[Message], list[Message]]
) -> None:
    once, shuffled = history
    await emptied(database)
    await at_once(SqlGallery(database), shuffled)
    assert await read(database) == imagined(once)
