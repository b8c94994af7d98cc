"""Ledgers to test with, and what must be true of the blocks that they hand out."""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from sqlalchemy import func, select

from chassis.database import Database, open_database
from services.indexer import adapters
from services.indexer.adapters.sql_counters import SqlCounters
from services.indexer.adapters.sql_ledger import SqlLedger
from services.indexer.adapters.tables import CLAIMS, COUNTERS
from services.indexer.domain import Reservation, Wish

MIGRATIONS = Path(adapters.__file__).parent / "migrations"
OPAL = "Areg/premade_characters/opal-fever/images"
FOLDERS = tuple(f"Areg/characters/character-{number}/images" for number in range(5))


@asynccontextmanager
async def opened_database(url: str) -> AsyncIterator[Database]:
    async with open_database(url, "indexer", MIGRATIONS) as database:
        yield database


@asynccontextmanager
async def opened(url: str, folders: Iterable[str] = ()) -> AsyncIterator[SqlLedger]:
    """A ledger of its own, as a process has, in a database where these folders have been seen."""
    async with opened_database(url) as database, aclosing(SqlLedger(database, time.time)) as ledger:
        for folder in folders:
            await SqlCounters(database, time.time).adopt(folder, 1)
        yield ledger


def wish(
    batch_id: str, quantity: int = 1, folder: str = OPAL, digest: str = "a" * 64, padding: int = 0
) -> Wish:
    return Wish(batch_id, digest, folder, quantity, padding)


def many_wishes() -> list[Wish]:
    """200 batches of 1 to 8 for 5 characters."""
    return [wish(f"batch-{n}", n * 7 % 8 + 1, FOLDERS[n % 5]) for n in range(200)]


def numbers(blocks: Iterable[Reservation]) -> dict[str, list[int]]:
    """Folder -> every number handed out in it, sorted."""
    handed: dict[str, list[int]] = defaultdict(list)
    for block in blocks:
        assert block.next_index == block.first + block.quantity
        handed[block.folder].extend(range(block.first, block.next_index))
    return {folder: sorted(taken) for folder, taken in handed.items()}


def assert_contiguous(blocks: Sequence[Reservation], wishes: Sequence[Wish]) -> None:
    """Disjoint, from 1, nothing skipped, and each batch has what it asked for."""
    assert {(b.batch_id, b.folder, b.quantity) for b in blocks} == {
        (w.batch_id, w.folder, w.quantity) for w in wishes
    }
    for taken in numbers(blocks).values():
        assert taken == list(range(1, len(taken) + 1))


async def counters(database: Database) -> dict[str, int]:
    async with database.read() as connection:
        rows = await connection.execute(select(COUNTERS.c.folder, COUNTERS.c.next_index))
        return {row.folder: row.next_index for row in rows}


async def claims(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(CLAIMS))).scalar_one())
