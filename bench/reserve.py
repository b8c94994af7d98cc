"""`python -m bench.reserve`: how many batches a second get their numbers, where all want the same character's
and where they want a thousand characters'.

The indexer's ledger, with as many callers at once as its queue hands it, on PostgreSQL and on SQLite. Beside
it on the same PostgreSQL bare asyncpg with the ledger's own statement for as many batches at once, and with
one statement for each batch on sixteen connections; and `index.txt` under a file lock, written beside and
renamed, which remembers no batch. Every commit on PostgreSQL is synchronous. Told are batches a second; the
bars: at least half of bare grouped asyncpg, and five times one statement for each batch where they want the
same character's.
"""

import argparse
import asyncio
import fcntl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy.dialects import postgresql

from bench.nodes import nodes
from bench.verdict import Bar, Round, interleaved, ratio, spread, verdict
from chassis.database import open_database
from services.indexer.adapters.reserving import RESERVE, columns, insert_new
from services.indexer.adapters.sql_ledger import MOST_AT_ONCE, SqlLedger
from services.indexer.adapters.tables import COUNTERS
from services.indexer.app import MIGRATIONS
from services.indexer.domain import Wish

OF_GROUPED, OF_SINGLE = Bar(at_least=0.5), Bar(at_least=5.0)
OURS, LITE, GROUPED, SINGLE, FILE = "ledger", "ledger on SQLite", "grouped", "one by one", "index.txt"
CONNECTIONS = 16
#: Part of the batches that those get who take them one by one.
SLOWER = 5
QUANTITY = 5

Reserve = Callable[[Sequence[Wish]], Awaitable[object]]


@dataclass
class Wishes:
    """Batches that never come twice."""

    folders: Sequence[str]
    numbers: "count[int]"

    def some(self, quantity: int) -> list[Wish]:
        return [self._one(next(self.numbers)) for _ in range(quantity)]

    def _one(self, number: int) -> Wish:
        return Wish(f"batch-{number}", "a" * 64, self.folders[number % len(self.folders)], QUANTITY, 0)


async def by_ledger(ledger: SqlLedger, wishes: Sequence[Wish]) -> None:
    """As the service: so many are handled at once as its queue hands it, and each waits for its own."""
    left = iter(wishes)

    async def line() -> None:
        for wish in left:
            assert await ledger.reserve(wish) is not None

    await asyncio.gather(*(line() for _ in range(MOST_AT_ONCE)))


async def grouped(pool: Any, statement: str, order: Sequence[str], wishes: Sequence[Wish]) -> None:
    for start in range(0, len(wishes), MOST_AT_ONCE):
        group = wishes[start : start + MOST_AT_ONCE]
        values: Mapping[str, Any] = {**columns(group), "now": time.time()}
        rows = await pool.fetch(statement, *(values[name] for name in order))
        assert len(rows) == len(group)


async def one_by_one(pool: Any, statement: str, order: Sequence[str], wishes: Sequence[Wish]) -> None:
    left = iter(wishes)

    async def line() -> None:
        for wish in left:
            await grouped(pool, statement, order, [wish])

    await asyncio.gather(*(line() for _ in range(CONNECTIONS)))


async def by_file(folder: Path, wishes: Sequence[Wish]) -> None:
    """One process, no call of the event loop: the least that this can cost."""
    for wish in wishes:
        place = folder / wish.folder
        place.mkdir(parents=True, exist_ok=True)
        with (place / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            text = place / "index.txt"
            first = int(text.read_text()) if text.exists() else 1
            beside = place / "index.txt.new"
            beside.write_text(str(first + wish.quantity))
            beside.rename(text)


@asynccontextmanager
async def ledger_at(url: str, folders: Sequence[str]) -> AsyncIterator[SqlLedger]:
    async with (
        open_database(url, "indexer", MIGRATIONS) as database,
        aclosing(SqlLedger(database, time.time)) as ledger,
    ):
        async with database.begin() as connection:
            rows = [{"folder": folder, "next_index": 1, "adopted_at": 0.0} for folder in folders]
            await connection.execute(insert_new(connection, COUNTERS), rows)
        yield ledger


def compiled() -> tuple[str, list[str]]:
    """The ledger's statement as asyncpg takes it, and the order of its values."""
    dialect = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]
    statement = RESERVE.compile(dialect=dialect)
    return str(statement), list(statement.positiontup or ())


async def contest(options: argparse.Namespace, database_url: str, characters: int) -> dict[str, list[float]]:
    folders = [f"Areg/characters/character-{number}/images" for number in range(characters)]
    wishes = Wishes(folders, count())
    statement, order = compiled()
    with TemporaryDirectory(prefix="darkroom-bench-") as name:
        async with (
            ledger_at(database_url, folders) as ours,
            ledger_at(f"sqlite+aiosqlite:///{name}/indexer.db", folders) as lite,
            asyncpg.create_pool(
                database_url.replace("+asyncpg", ""),
                min_size=CONNECTIONS,
                max_size=CONNECTIONS,
                server_settings={"search_path": "indexer"},
            ) as pool,
        ):
            few = options.batches // SLOWER
            contestants: dict[str, Round] = {
                OURS: partial(_round, partial(by_ledger, ours), wishes, options.batches),
                LITE: partial(_round, partial(by_ledger, lite), wishes, options.batches),
                GROUPED: partial(_round, partial(grouped, pool, statement, order), wishes, options.batches),
                SINGLE: partial(_round, partial(one_by_one, pool, statement, order), wishes, few),
                FILE: partial(_round, partial(by_file, Path(name)), wishes, few),
            }
            await interleaved(1, contestants)  # a round that warms up
            return await interleaved(options.rounds, contestants)


async def _round(reserve: Reserve, wishes: Wishes, batches: int) -> float:
    """Batches a second."""
    wanted = wishes.some(batches)
    began = time.perf_counter()
    await reserve(wanted)
    return batches / (time.perf_counter() - began)


async def _main(options: argparse.Namespace) -> int:
    status = 0
    with nodes() as around:
        for characters in (1, options.characters):
            rates = await contest(options, around.database_url(), characters)
            what = "1 character" if characters == 1 else f"{characters} characters"
            for name, measured in rates.items():
                print(f"{what}, {name}: {spread(measured)} batches/s", flush=True)
            if characters == 1:
                times = ratio(rates[OURS], rates[SINGLE])
                status |= verdict(f"reserve, {what}, by one by one", times, OF_SINGLE)
            status |= verdict(f"reserve, {what}", ratio(rates[OURS], rates[GROUPED]), OF_GROUPED)
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.reserve", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=5000, help="of one round")
    parser.add_argument("--characters", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="three short rounds")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.batches = 3, 2000
    sys.exit(asyncio.run(_main(chosen)))
