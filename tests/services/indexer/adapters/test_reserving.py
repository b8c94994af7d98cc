"""Replicas whose groups overlap wait for each other, and never in a circle."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import Executable, select, text

from chassis.database import Database
from services.indexer.adapters.tables import CLAIMS, COUNTERS
from services.indexer.domain import Wish
from tests.services.indexer.ledgers import FOLDERS, assert_contiguous, opened, opened_database, wish

WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
SAME_BATCHES = [wish(batch_id, 2, FOLDERS[0]) for batch_id in ("a", "m", "z")]


def one_each(prefix: str) -> list[Wish]:
    return [wish(f"{prefix}{number}", 3, folder) for number, folder in enumerate(FOLDERS)]


@pytest.mark.parametrize(
    ("held", "one", "other"),
    [
        (CLAIMS.insert().values(batch_id="m"), SAME_BATCHES, SAME_BATCHES[::-1]),
        (
            select(COUNTERS).where(COUNTERS.c.folder == FOLDERS[2]).with_for_update(),
            one_each("a"),
            one_each("b")[::-1],
        ),
    ],
    ids=["the same batches", "the same folders"],
)
async def test_groups_in_opposite_order_do_not_deadlock(
    postgres_url: str, held: Executable, one: Sequence[Wish], other: Sequence[Wish]
) -> None:
    """Both are stopped half-way by a third, which then steps aside: whoever took locks in an order of its own
    would now hold what the other one needs."""
    async with (
        opened(postgres_url, FOLDERS) as first,
        opened(postgres_url) as second,
        opened_database(postgres_url) as database,
    ):
        async with database._engine.connect() as third:
            await third.execute(held)
            answers = asyncio.gather(*map(first.reserve, one), *map(second.reserve, other))
            await _both_wait(database)
            await third.rollback()
        blocks = {block for block in await answers if block}
    assert_contiguous(list(blocks), list({asked.batch_id: asked for asked in (*one, *other)}.values()))


async def _both_wait(database: Database) -> None:
    async with asyncio.timeout(10), database.read() as watcher:
        while (await watcher.execute(WAITING)).scalar_one() < 2:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
