"""Whatever order events come in, and however often, the tables end the same, owners' marks among them."""

from typing import Any

from chassis.database import Database
from contracts.message import Message
from services.gateway.adapters.sql_collections import SqlCollections
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.sql_marks import SqlMarks
from services.gateway.adapters.sql_pictures import SqlPictures
from services.gateway.adapters.tables import BATCHES, COLLECTED, DELETED, IMAGES
from services.gateway.domain.pictures import Collection, Sort, Wanted
from tests.services.gateway.databases import emptied, rows
from tests.services.gateway.events import reserved
from tests.services.gateway.histories import QUANTITY, thirty_histories
from tests.services.gateway.readings import tell

NOW = 1_700_000_000.0


def now() -> float:
    return NOW


async def marked(database: Database) -> None:
    """Areg says something of two of his images."""
    await SqlMarks(database, now).favourite("Areg", [("b1", 0)], True)
    collections = SqlCollections(database, now)
    await collections.make(Collection("col_1", "Areg", "Covers", NOW))
    await collections.put("col_1", "Areg", [("b1", 1)])


async def everything(database: Database) -> dict[str, Any]:
    """Every row, what a gallery shows, and what is counted."""
    pictures = SqlPictures(database)
    shown = await pictures.page(Wanted("Areg", Sort.INDEX, character_id="chr_opal"))
    days = [row.ended_day for row in await rows(database, IMAGES) if row.ended_day is not None]
    return {
        **{table.name: await rows(database, table) for table in (IMAGES, BATCHES, COLLECTED, DELETED)},
        "gallery": shown,
        "days": sorted(days),
    }


@thirty_histories
async def test_any_order_with_repetitions_leaves_the_same_rows_and_marks(
    sqlite: Database, history: tuple[list[Message], list[Message]]
) -> None:
    once, shuffled = history
    ends = []
    for marked_first, events in ((False, once), (True, shuffled)):
        await emptied(sqlite)
        gallery = SqlGallery(sqlite, now)
        await tell(gallery, reserved(quantity=QUANTITY))
        if marked_first:
            await marked(sqlite)
        await tell(gallery, *events)
        if not marked_first:
            await marked(sqlite)
        ends.append(await everything(sqlite))
    assert ends[0] == ends[1]
