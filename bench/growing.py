"""What `bench.growth` measures: the services' own work, on tables that were filled to a size."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

from bench.cost import cost
from bench.filling import copied, settled
from bench.nodes import Nodes
from bench.reserve import Wishes, by_ledger
from bench.uploads import ready
from bench.verdict import Round
from chassis.database import open_database
from contracts.events import ImageReady
from services.indexer import app as indexer
from services.indexer.adapters import tables as numbers
from services.indexer.adapters.sql_ledger import SqlLedger as NumberLedger
from services.indexer.domain import Wish
from services.uploader import app as uploader
from services.uploader.adapters import tables as assets
from services.uploader.adapters.sql_ledger import SqlLedger as AssetLedger
from services.uploader.domain.rows import Lying, Upload
from services.uploader.handlers import on_image_ready

#: Of one batch, of one round, and callers at once.
QUANTITY, BATCHES_A_ROUND, AT_ONCE = 8, 40, 32
#: Times that something is looked at in a round.
LOOKS = 30
#: Folders that a round's batches are for.
FOLDERS = 10


@dataclass(frozen=True)
class Sizes:
    folder: int
    folders: int
    gallery: int
    backlog: int


#: Seconds of processor time that a round of each costs.
Works = Mapping[str, Round]


@asynccontextmanager
async def reservations(around: Nodes, sizes: Sizes) -> AsyncIterator[Works]:
    hot = "Areg/characters/opal-fever/images"
    cold = [f"Areg/characters/character-{number}/images" for number in range(1, sizes.folders)]
    async with (
        open_database(around.database_url(), "indexer", indexer.MIGRATIONS) as database,
        aclosing(NumberLedger(database, time.time)) as ledger,
    ):
        async with database.begin() as connection:
            row = {"folder": hot, "next_index": 1, "adopted_at": 0.0}
            await connection.execute(database.insert(numbers.COUNTERS).values(row))
        await ledger.reserve(Wish("first", "a" * 64, hot, QUANTITY, 0))
        fill = partial(copied, database)
        folder, old = "'Areg/characters/character-' || g || '/images'", "'old-' || g"
        batches = sizes.folder // QUANTITY
        more = {
            "batch_id": old,
            "first": "t.first + t.quantity * g",
            "next_index": "t.next_index + t.quantity * g",
        }
        await fill(numbers.CLAIMS, "true", batches, {"batch_id": old})
        await fill(numbers.RESERVATIONS, "true", batches, more)
        await fill(numbers.COUNTERS, "true", sizes.folders - 1, {"folder": folder})
        async with database.begin() as connection:
            ends = numbers.COUNTERS.update().values(next_index=QUANTITY * (batches + 1) + 1)
            await connection.execute(ends)
        await settled(database, numbers.CLAIMS, numbers.RESERVATIONS, numbers.COUNTERS)
        ids = count()

        async def round_of(folders: Iterable[str]) -> None:
            wishes = Wishes(list(folders), ids).some(BATCHES_A_ROUND * QUANTITY)
            await by_ledger(ledger, wishes)

        yield {
            "numbers, as the folder grows": partial(cost, database, lambda: round_of([hot])),
            "numbers, as the registry grows": partial(
                cost, database, lambda: round_of(random.sample(cold, min(len(cold), FOLDERS - 1)))
            ),
        }


class _Shelf:
    """Storage that takes everything at once."""

    async def put(self, upload: Upload, data: bytes, **_: bool) -> Lying:
        md5 = str(upload.context["md5"])
        public_id = upload.place.public_id
        url = f"https://images.test/v1/{public_id}.png"
        return Lying(public_id, md5, len(data), f"asset-{md5}", 1, url, datetime.now(UTC), upload.context)

    async def remove(self, public_id: str) -> None:
        """Nothing is kept."""


class _Blobs:
    async def fetch(self, ready: ImageReady) -> bytes:
        return b"x" * ready.byte_count

    async def remove(self, key: str) -> None:
        """Nothing is kept."""


@asynccontextmanager
async def uploads(around: Nodes, sizes: Sizes) -> AsyncIterator[Works]:
    async with (
        open_database(around.database_url(), "uploader", uploader.MIGRATIONS) as database,
        aclosing(AssetLedger(database, time.time, 2 * AT_ONCE, 60.0)) as ledger,
    ):
        store = partial(on_image_ready, ledger=ledger, shelf=_Shelf(), blobs=_Blobs())
        await store(_ready(0))
        changed = {
            "batch_id": "'old-' || g",
            "public_id": "t.public_id || g",
            "name": "t.name || g",
            "index": "g",
        }
        await copied(database, assets.ASSETS, "true", sizes.folder, changed)
        await settled(database, assets.ASSETS)
        fresh = count(sizes.folder * 100)

        async def round_of() -> None:
            await at_once(store(_ready(next(fresh))) for _ in range(BATCHES_A_ROUND * QUANTITY))

        yield {"storing, as the folder grows": partial(cost, database, round_of)}


def _ready(number: int) -> ImageReady:
    image = ready(f"new-{number // QUANTITY}", number % QUANTITY, b"a picture")
    return image.model_copy(update={"index": number + 1, "name": f"Areg_opal-fever_image_{number + 1}"})


async def again(look: Callable[[], Awaitable[object]]) -> None:
    for _ in range(LOOKS):
        await look()


async def at_once(works: Iterable[Coroutine[Any, Any, object]]) -> None:
    left = iter(works)

    async def line() -> None:
        for work in left:
            await work

    await asyncio.gather(*(line() for _ in range(AT_ONCE)))
