"""What came of images of late, on both databases."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from chassis.database import Database
from services.gateway.adapters import sql_figures
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_figures import SqlFigures
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.domain.operating import Recent
from tests.services.gateway.events import deleted, failed, reserved, stored
from tests.services.gateway.readings import tell

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()


def figures(database: Database) -> SqlFigures:
    return SqlFigures(database, clock=lambda: NOW)


def gallery(database: Database) -> SqlGallery:
    return SqlGallery(database, clock=lambda: NOW - 30)


async def test_images_are_counted_by_when_and_how_they_ended(database: Database) -> None:
    made = [stored(ordinal, at=NOW - 60 * ago) for ordinal, ago in ((0, 1), (1, 20), (2, 70))]
    blank = [failed(3, code="missing_model", follows=True), stored(3, placeholder=True, at=NOW - 60)]
    none = [failed(4, code="deadline"), failed(5, code="deadline"), failed(6, code="cancelled")]
    await tell(gallery(database), reserved(quantity=9), *made, *blank, *none)
    assert await figures(database).recent() == Recent(
        images_5=1,
        images_60=2,
        placeholders=1,
        failed=2,
        causes={"deadline": 2, "missing_model": 1},
        outstanding=2,
    )


async def test_an_image_that_is_deleted_was_made_and_one_that_is_tried_again_is_open(
    database: Database,
) -> None:
    events = [reserved(), stored(0, at=NOW - 60), failed(1), deleted()]
    await tell(gallery(database), *events)
    assert (await figures(database).recent()).images_5 == 1
    await SqlBatches(database).retry("b1", None)
    recent = await figures(database).recent()
    assert (recent.images_5, recent.failed, recent.causes, recent.outstanding) == (1, 0, {}, 1)


async def test_an_end_that_is_heard_of_again_stays_when_it_was(database: Database) -> None:
    await tell(SqlGallery(database, clock=lambda: NOW - 4000), reserved(), failed(1))
    await tell(gallery(database), failed(1))
    assert (await figures(database).recent()).failed == 0


async def test_an_endless_code_is_counted_and_breaks_nothing(database: Database) -> None:
    await tell(gallery(database), reserved(), failed(1, code="x" * 100_000))
    assert [len(code) for code in (await figures(database).recent()).causes] == [100]


async def test_a_count_is_good_for_a_moment(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = figures(database)
    await tell(gallery(database), reserved(), stored(0, at=NOW - 60))
    assert (await counted.recent()).images_5 == 1
    await tell(gallery(database), stored(1, at=NOW - 60))
    assert (await counted.recent()).images_5 == 1
    monkeypatch.setattr(sql_figures, "LOOK", 0.0)
    counted = figures(database)
    assert (await counted.recent()).images_5 == 2


async def test_the_count_reads_the_index_alone(sqlite: Database) -> None:
    async with sqlite.read() as connection:
        query = sql_figures.ended_since(NOW).compile(compile_kwargs={"literal_binds": True})
        explained = await connection.execute(text(f"EXPLAIN QUERY PLAN {query}"))
        plan = " ".join(row.detail for row in explained)
    assert "USING COVERING INDEX images_by_end (ended_at>?)" in plan
