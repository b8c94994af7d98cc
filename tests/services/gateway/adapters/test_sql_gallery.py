"""The read model in SQL, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from chassis.database import Database
from contracts import names
from contracts.acceptance import refusal
from contracts.commands import Character, DeleteImage
from contracts.events import BatchFinished
from contracts.forms import Form
from contracts.limits import MAX_ID, MAX_INDEX, MAX_SEED
from contracts.message import Message
from contracts.names import CHARACTERS
from contracts.transient import ChangesLogged
from services.gateway.adapters.batch_rows import enqueue
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.sql_registry import SqlRegistry
from services.gateway.adapters.tables import BATCHES, IMAGES
from services.gateway.domain.images import Status
from services.gateway.ports import Character as Registered
from tests.services.gateway.databases import changes, commands, emptied, rows
from tests.services.gateway.events import (
    FIRST,
    FOLDER,
    OPAL,
    deleted,
    failed,
    moved,
    public_id,
    rejected,
    request,
    reserved,
    stored,
)
from tests.services.gateway.histories import thirty_histories
from tests.services.gateway.readings import imagined, read, tell


@pytest.fixture
def gallery(database: Database) -> SqlGallery:
    return SqlGallery(database)


@contextmanager
def commits() -> Iterator[list[None]]:
    seen: list[None] = []

    def saw(_connection: object) -> None:
        seen.append(None)

    event.listen(Engine, "commit", saw)
    try:
        yield seen
    finally:
        event.remove(Engine, "commit", saw)


def ends(said: list[Message]) -> list[BatchFinished]:
    return [message for message in said if isinstance(message, BatchFinished)]


WHOLE = [reserved(), stored(0), failed(1, follows=True), stored(1, placeholder=True)]


async def test_a_batch_that_the_gateway_never_saw_appears(database: Database, gallery: SqlGallery) -> None:
    await tell(gallery, reserved())
    found = await SqlBatches(database).find("b1", "Areg")
    assert found is not None
    batch, images = found
    assert batch.request == request()
    assert (batch.folder, batch.first, batch.next_index) == (FOLDER, FIRST, FIRST + 2)
    assert [(image.ordinal, image.index, image.status) for image in images] == [
        (0, FIRST, Status.QUEUED),
        (1, FIRST + 1, Status.QUEUED),
    ]


async def test_a_batch_appears_with_what_was_heard_before_its_reservation(
    database: Database, gallery: SqlGallery
) -> None:
    await tell(gallery, stored(1), moved(0, 40))
    assert await SqlBatches(database).find("b1", "Areg") is None
    await tell(gallery, reserved())
    reading = await read(database)
    assert reading == imagined([stored(1), moved(0, 40), reserved()])
    assert (reading.status, reading.ended) == ("running", 1)


async def test_the_largest_batch_is_numbered_whole(database: Database, gallery: SqlGallery) -> None:
    await tell(gallery, reserved(quantity=1000), reserved(quantity=1000))
    assert [image[1] for image in (await read(database)).images.values()] == list(range(FIRST, FIRST + 1000))


async def test_the_end_is_said_when_the_last_image_ends_in_whatever_order(sqlite: Database) -> None:
    for order in permutations(WHOLE):
        await emptied(sqlite)
        *early, last = [ends(await tell(SqlGallery(sqlite), news)) for news in order]
        (end,) = last
        assert (end.status, end.succeeded, end.placeholders) == ("partially_succeeded", 1, 1)
        # That a placeholder follows may be heard after the placeholder, which has ended the image.
        assert not any(early) or order[-1] == WHOLE[2]


async def test_a_repeated_event_of_a_finished_batch_says_the_end_again(gallery: SqlGallery) -> None:
    (end,) = ends(await tell(gallery, *WHOLE))
    for repeated in WHOLE:
        (again,) = ends(await tell(gallery, repeated))
        assert (again, again.id()) == (end, end.id())


async def test_a_batch_whose_images_all_ended_before_its_reservation_ends_with_it(
    database: Database, gallery: SqlGallery
) -> None:
    await SqlBatches(database).accept(request())
    (end,) = ends(await tell(gallery, stored(0), stored(1)))
    (again,) = ends(await tell(gallery, reserved()))
    assert end == again
    assert (await read(database)).finished


async def test_a_refused_batch_of_somebody_has_an_end_too(database: Database, gallery: SqlGallery) -> None:
    assert ends(await tell(gallery, rejected("unasked"))) == []
    await SqlBatches(database).accept(request())
    (end,) = ends(await tell(gallery, rejected()))
    assert (end.status, end.username, end.results) == ("failed", "Areg", ())
    assert ends(await tell(gallery, rejected())) == [end]


async def test_a_placeholder_heard_before_its_reason_changes_no_count_of_the_end(gallery: SqlGallery) -> None:
    first, again = ends(
        await tell(gallery, reserved(), stored(0), stored(1, placeholder=True), failed(1, follows=True))
    )
    assert first.id() == again.id()
    assert first.model_dump(exclude={"results"}) == again.model_dump(exclude={"results"})
    assert (first.results[1].code, again.results[1].code) == (None, "gpu_failed")


async def test_a_deleted_placeholder_is_none_of_the_images_that_were_made(
    database: Database, gallery: SqlGallery
) -> None:
    end = ends(await tell(gallery, *WHOLE, deleted(FIRST + 1)))[-1]
    assert (end.status, end.succeeded, end.placeholders) == ("partially_succeeded", 1, 1)
    assert [row.outcome for row in await rows(database, BATCHES)] == ["partially_succeeded"]


async def test_every_event_wakes_whoever_waits_for_its_batch(gallery: SqlGallery) -> None:
    events = [rejected(), reserved(), moved(), failed(1), stored(), deleted(40), deleted()]
    hints = [ChangesLogged(batch_id="b1") in await tell(gallery, news) for news in events]
    # Nothing shows the asset of the last but one.
    assert hints == [True, True, True, True, True, False, True]


async def test_a_repeated_event_logs_no_change(database: Database, gallery: SqlGallery) -> None:
    events = [*WHOLE, deleted(), rejected("b2")]
    await tell(gallery, *events)
    once = await changes(database)
    await tell(gallery, *events)
    assert await changes(database) == once
    assert [(batch_id, kind) for batch_id, kind, _ in once] == [
        ("b1", "reserved"),
        ("b1", "image"),
        ("b1", "image"),
        ("b1", "image"),
        ("b1", "image"),
        ("b2", "rejected"),
    ]
    assert once[1][2] == {"ordinal": 0, "index": FIRST, "status": "succeeded"}


async def test_a_change_is_logged_in_the_commit_that_makes_it(gallery: SqlGallery) -> None:
    for news in WHOLE:
        with commits() as seen:
            await tell(gallery, news)
        assert len(seen) == 1


async def test_a_deletion_heard_before_its_image_is_not_forgotten(
    database: Database, gallery: SqlGallery
) -> None:
    await tell(gallery, deleted(FIRST), reserved(), stored(0), stored(1))
    reading = await read(database)
    assert [image[0] for image in reading.images.values()] == ["deleted", "succeeded"]
    assert (reading.status, reading.finished) == ("succeeded", True)


async def test_what_was_deleted_is_the_asset_and_not_the_one_that_follows_at_another_number(
    sqlite: Database,
) -> None:
    events = [stored(placeholder=True), deleted(FIRST), stored(0, 2, index=40)]
    for order in permutations(events):
        await emptied(sqlite)
        await tell(SqlGallery(sqlite), *order)
        assert await read(sqlite) == imagined(events)
        assert (await read(sqlite)).images[0][:2] == ("succeeded", 40)


async def test_a_deletion_that_ends_the_last_image_of_a_retry_ends_the_batch(
    database: Database, gallery: SqlGallery
) -> None:
    await tell(gallery, *WHOLE)
    await SqlBatches(database).retry("b1", None)
    (end,) = ends(await tell(gallery, deleted(FIRST + 1)))
    assert (end.round, [result.status for result in end.results]) == (2, ["succeeded", "deleted"])
    assert await commands(database) == []


async def test_a_deletion_answers_its_command(database: Database, gallery: SqlGallery) -> None:
    async with database.begin() as connection:
        wanted = [DeleteImage(public_id=public_id(index)) for index in (FIRST, FIRST + 1)]
        await enqueue(database, connection, wanted, 0.0)
    await tell(gallery, deleted(FIRST))
    assert await commands(database) == ["DeleteImage"]


async def test_a_refusal_of_a_batch_that_has_numbers_changes_nothing(
    database: Database, gallery: SqlGallery
) -> None:
    await SqlBatches(database).accept(request())
    await tell(gallery, reserved(), rejected())
    assert await read(database) == imagined([reserved()])
    assert await commands(database) == ["GenerateBatch"]
    assert [kind for _, kind, _ in await changes(database)] == ["accepted", "reserved"]


async def test_of_several_refusals_the_same_is_kept_in_any_order(
    database: Database, gallery: SqlGallery
) -> None:
    for batch_id, codes in (("b1", ("one", "two")), ("b2", ("two", "one"))):
        await SqlBatches(database).accept(request(batch_id))
        await tell(gallery, *(rejected(batch_id, code) for code in codes))
    kept = [await SqlBatches(database).find(batch_id, "Areg") for batch_id in ("b1", "b2")]
    assert [known[0].rejected.code for known in kept if known and known[0].rejected] == ["two", "two"]


async def test_the_longest_acceptable_names_have_room(database: Database, gallery: SqlGallery) -> None:
    longest = Character(id="🔥" * MAX_ID, name="y" * (names.MAX_NAMES - 4), collection=CHARACTERS)
    asked = reserved("b" * 64, character=longest, seed=MAX_SEED, first=MAX_INDEX - 2)
    assert refusal(asked.request, {"portrait": Form()}) is None
    await tell(gallery, asked, stored(batch_id="b" * 64, index=MAX_INDEX - 2))
    assert (await read(database, "b" * 64)).images[0][:2] == ("succeeded", MAX_INDEX - 2)
    assert await SqlRegistry(database).find(longest.id, "Areg") is not None


async def test_an_unknown_character_is_registered(database: Database, gallery: SqlGallery) -> None:
    await tell(gallery, reserved())
    known = await SqlRegistry(database).find("chr_opal", "Somebody")
    assert known is not None
    assert (known.name, known.slug, known.premade) == ("Opal Fever", "opal-fever", True)


async def test_an_unknown_character_of_somebody_is_his_alone(database: Database, gallery: SqlGallery) -> None:
    mine = Character(id="chr_mine", name="Mine", collection=CHARACTERS)
    await tell(gallery, reserved(character=mine))
    assert await SqlRegistry(database).find("chr_mine", "Somebody") is None
    assert await SqlRegistry(database).find("chr_mine", "Areg") is not None


async def test_a_registered_character_stays_as_it_is(database: Database, gallery: SqlGallery) -> None:
    registry = SqlRegistry(database)
    opal = Registered("chr_opal", "Areg", "Opal Fever", "opal-fever", True, "opal_v2", "noir", 1.0)
    await registry.register(opal, [])
    await tell(gallery, reserved())
    assert await registry.find("chr_opal", "Areg") == opal


async def test_an_unknown_character_with_a_slug_that_is_taken_does_no_harm(
    database: Database, gallery: SqlGallery
) -> None:
    twin = OPAL.model_copy(update={"id": "chr_twin"})
    await tell(gallery, reserved(), reserved("b2", character=twin))
    assert await SqlRegistry(database).find("chr_twin", "Areg") is None
    assert await SqlBatches(database).find("b2", "Areg") is not None
    assert (await read(database, "b2")).status == "queued"


async def test_nothing_but_the_batch_is_touched(database: Database, gallery: SqlGallery) -> None:
    await tell(gallery, reserved("b2", first=60), *WHOLE)
    assert [row.status for row in await rows(database, IMAGES) if row.batch_id == "b2"] == ["queued"] * 2


@thirty_histories
async def test_any_order_with_repetitions_is_read_the_same(
    sqlite: Database, history: tuple[list[Message], list[Message]]
) -> None:
    once, shuffled = history
    await emptied(sqlite)
    await tell(SqlGallery(sqlite), *shuffled)
    assert await read(sqlite) == imagined(once)
