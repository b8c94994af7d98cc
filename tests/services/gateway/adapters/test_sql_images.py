"""Galleries, marks, collections and usage, on SQLite and PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from chassis.database import Database
from contracts.commands import DeleteImage
from services.gateway.adapters.sql_collections import SqlCollections
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.sql_marks import SqlMarks
from services.gateway.adapters.sql_pictures import SqlPictures
from services.gateway.adapters.tables import COLLECTED, OUTBOX
from services.gateway.domain.pictures import Collection, Deletion, Key, Sort, Usage, Wanted
from services.gateway.image_ports import NameTaken
from tests.services.gateway.databases import changes, commands, emptied, opened, rows
from tests.services.gateway.events import FIRST, deleted, failed, public_id, reserved, stored
from tests.services.gateway.readings import tell

AREG = Wanted("Areg", character_id="chr_opal")
#: Four images of one second, a placeholder and a failure among six.
EVENTS = [
    reserved(quantity=6),
    *(stored(ordinal) for ordinal in range(3)),
    stored(3, at=1_700_000_100.0),
    stored(4, placeholder=True, at=1_700_086_400.0),
    failed(5),
]


@pytest.fixture
def pictures(database: Database) -> SqlPictures:
    return SqlPictures(database)


async def told(database: Database) -> None:
    await tell(SqlGallery(database), *EVENTS)


async def ordinals(pictures: SqlPictures, wanted: Wanted) -> list[int]:
    return [each.image.ordinal for each in await pictures.page(wanted)]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (Sort.NEWEST, [4, 3, 2, 1, 0]),
        (Sort.OLDEST, [0, 1, 2, 3, 4]),
        (Sort.INDEX, [0, 1, 2, 3, 4]),
        (Sort.INDEX_DOWN, [4, 3, 2, 1, 0]),
    ],
)
async def test_every_page_goes_on_where_the_one_before_ended(
    database: Database, pictures: SqlPictures, sort: Sort, order: list[int]
) -> None:
    await told(database)
    wanted = replace(AREG, sort=sort, limit=2)
    seen = []
    while page := await pictures.page(wanted):
        seen += [each.image.ordinal for each in page]
        wanted = replace(wanted, after=page[-1].place)
    assert seen == order


async def test_a_list_holds_what_was_asked_for(database: Database, pictures: SqlPictures) -> None:
    await told(database)
    await SqlMarks(database).favourite("Areg", [("b1", 1), ("b1", 5)], True)
    by_index = replace(AREG, sort=Sort.INDEX)
    assert await ordinals(pictures, replace(by_index, favourite=True)) == [1]
    assert await ordinals(pictures, replace(by_index, favourite=False)) == [0, 2, 3, 4]
    assert await ordinals(pictures, replace(by_index, placeholder=True)) == [4]
    assert await ordinals(pictures, replace(by_index, placeholder=False)) == [0, 1, 2, 3]
    assert await ordinals(pictures, replace(by_index, batch_ids=("b1", "b2"))) == [0, 1, 2, 3, 4]
    assert await ordinals(pictures, replace(by_index, batch_ids=("b2",))) == []
    assert await ordinals(pictures, replace(by_index, keys=(("b1", 2), ("b1", 5), ("b2", 0)))) == [2]
    assert await ordinals(pictures, replace(by_index, keys=())) == []
    assert await ordinals(pictures, replace(by_index, character_id="chr_other")) == []
    assert await ordinals(pictures, replace(by_index, username="Nare")) == []


async def test_an_image_comes_with_its_batch_and_its_collections(
    database: Database, pictures: SqlPictures
) -> None:
    await told(database)
    collections = SqlCollections(database)
    await collections.make(Collection("col_1", "Areg", "Covers", 1.0))
    assert await collections.put("col_1", "Areg", [("b1", 5), ("b2", 0)]) == {("b1", 5)}
    found = await pictures.find("Areg", ("b1", 5))
    assert found is not None
    assert found.batch is not None
    assert (found.batch.request.prompt, found.collections) == ("on a rooftop", ("col_1",))
    assert await pictures.find("Nare", ("b1", 5)) is None
    assert await pictures.find("Areg", ("b1", 6)) is None


async def test_usage_is_counted_by_day_and_character(database: Database, pictures: SqlPictures) -> None:
    await tell(SqlGallery(database, lambda: 1_700_000_000.0), *EVENTS, deleted(FIRST))
    first = datetime.fromtimestamp(1_700_000_000.0, UTC).date()
    days = await pictures.usage("Areg", date(2023, 1, 1), date(2023, 12, 31))
    assert days == [
        Usage(first, "chr_opal", images=4, placeholders=0, failures=1, canceled=0, gpu_ms=4),
        Usage(date(2023, 11, 15), "chr_opal", images=0, placeholders=1, failures=0, canceled=0, gpu_ms=1),
    ]
    assert await pictures.usage("Areg", date(2023, 11, 15), date(2023, 11, 15)) == days[1:]
    assert await pictures.usage("Nare", date(2023, 1, 1), date(2023, 12, 31)) == []


async def test_a_wish_to_delete_is_kept_with_its_command_and_said_once(database: Database) -> None:
    await told(database)
    marks, keys = SqlMarks(database, lambda: 5.0), [("b1", 0), ("b1", 5), ("b2", 0)]
    before = len(await changes(database))
    for _ in range(2):
        ends = await marks.delete("Areg", keys)
        assert ends == {("b1", 0): Deletion.UNDER_WAY, ("b1", 5): Deletion.NOTHING_THERE}
    assert len(await changes(database)) == before + 1
    (command,) = [row for row in await rows(database, OUTBOX) if row.route == DeleteImage.route()]
    assert DeleteImage.decode(command.body.encode()) == DeleteImage(public_id=public_id(FIRST))
    await tell(SqlGallery(database), deleted())
    assert await commands(database) == []
    assert await marks.delete("Areg", keys[:1]) == {("b1", 0): Deletion.DONE}
    assert await commands(database) == []
    assert await marks.delete("Nare", keys) == {}


async def test_marks_of_others_are_none(database: Database) -> None:
    await told(database)
    assert await SqlMarks(database).favourite("Nare", [("b1", 0)], True) == set()


async def test_whoever_marks_deletes_and_hears_at_once_neither_waits_for_ever_nor_forgets(
    database: Database, database_url: str, pictures: SqlPictures
) -> None:
    keys: list[Key] = [("b1", ordinal) for ordinal in range(6)]
    for _ in range(3):
        await emptied(database)
        await tell(SqlGallery(database), reserved(quantity=6), stored(0), stored(1))
        async with opened(database_url) as other:
            await asyncio.gather(
                SqlMarks(database).favourite("Areg", keys, True),
                SqlMarks(other).favourite("Areg", keys[::-1], True),
                SqlMarks(other).delete("Areg", keys[:2]),
                tell(SqlGallery(database), *(stored(ordinal) for ordinal in range(2, 6))),
                tell(SqlGallery(other), deleted(FIRST)),
            )
        found = [await pictures.find("Areg", key) for key in keys]
        assert [each.image.favourite for each in found if each] == [True] * 6
        assert [each.image.status.word for each in found if each] == ["deleted", *["succeeded"] * 5]


async def test_a_collection_has_its_owner_and_a_name_of_its_own(database: Database) -> None:
    await told(database)
    collections = SqlCollections(database, lambda: 1.0)
    covers = Collection("col_1", "Areg", "Covers", 1.0)
    await collections.make(covers)
    for twin in (replace(covers, id="col_2"), covers):
        with pytest.raises(NameTaken):
            await collections.make(twin)
    await collections.make(replace(covers, id="col_2", username="Nare"))
    await collections.put("col_1", "Areg", [("b1", 0), ("b1", 0)])
    await collections.put("col_1", "Areg", [("b1", 0), ("b1", 1)])
    assert await collections.find("Areg", "col_1") == replace(covers, images=2)
    assert await collections.find("Nare", "col_1") is None
    assert await collections.list("Areg", None, 10) == [replace(covers, images=2)]
    assert await collections.list("Areg", "col_1", 10) == []
    assert not await collections.drop("Nare", "col_1")
    await collections.take_out("col_1", [("b1", 0)])
    assert [row.ordinal for row in await rows(database, COLLECTED)] == [1]
    assert await collections.drop("Areg", "col_1")
    assert await rows(database, COLLECTED) == []
    assert await collections.put("col_1", "Areg", [("b1", 0)]) == set()
