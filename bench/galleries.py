"""What `bench.growth` measures of the gateway: its gallery, its registry, and the commands that wait."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import count

from bench.cost import cost
from bench.filling import copied, settled
from bench.growing import AT_ONCE, BATCHES_A_ROUND, QUANTITY, Sizes, Works, again, at_once
from bench.nodes import Nodes
from chassis.database import Database, open_database
from services.gateway import app as gateway
from services.gateway import handlers
from services.gateway.adapters.batch_rows import enqueue
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.sql_outbox import SqlOutbox
from services.gateway.adapters.sql_pictures import SqlPictures
from services.gateway.adapters.sql_registry import SqlRegistry
from services.gateway.adapters.tables import BATCHES, CHANGES, CHARACTERS, IMAGES, OUTBOX
from services.gateway.domain.pictures import Sort, Wanted
from tests.services.gateway import events

PAGE = 51
#: Favourites, and placeholders, in a gallery of any size: the more images, the farther apart.
RARE = 100


@asynccontextmanager
async def galleries(around: Nodes, sizes: Sizes) -> AsyncIterator[Works]:
    """All of one character: nothing is narrower than what is asked for."""
    async with open_database(around.database_url(), "gateway", gateway.MIGRATIONS) as database:
        gallery, pictures = SqlGallery(database), SqlPictures(database)
        await _made(gallery, "first", 1)
        await _filled(database, sizes)
        user, character = "Areg", events.OPAL.id
        middle = await pictures.find(user, (f"old-{sizes.gallery // QUANTITY // 2}", 0))
        assert middle is not None
        every = Wanted(user, limit=PAGE, character_id=character)
        asked = {
            "first page": every,
            "page in the middle": replace(every, after=middle.place),
            "page by number": replace(every, sort=Sort.INDEX_DOWN),
            "favourites": replace(every, favourite=True),
            "placeholders": replace(every, placeholder=True),
            "images of a batch": replace(every, batch_ids=("old-7",)),
        }
        fresh = count()

        async def project() -> None:
            await at_once(
                _made(gallery, f"new-{number}", sizes.gallery * 10 + number * QUANTITY)
                for number in (next(fresh) for _ in range(BATCHES_A_ROUND // 4))
            )

        registry = SqlRegistry(database)
        yield {
            "projection, as the gallery grows": partial(cost, database, project),
            "characters, as the registry grows": partial(
                cost, database, lambda: again(lambda: registry.known_to(user, None, PAGE))
            ),
            **{
                f"{name}, as the gallery grows": partial(
                    cost, database, partial(again, partial(pictures.page, wanted))
                )
                for name, wanted in asked.items()
            },
        }


async def _made(gallery: SqlGallery, batch_id: str, first: int) -> None:
    reserved = events.reserved(batch_id, QUANTITY, first=first)
    await handlers.on_indices_reserved(reserved, gallery=gallery)
    for ordinal in range(QUANTITY):
        index = first + ordinal
        image = events.stored(ordinal, batch_id=batch_id, index=index, at=1_700_000_000.0 + index)
        await handlers.on_image_stored(image, gallery=gallery)


async def _filled(database: Database, sizes: Sizes) -> None:
    number, apart = f"(t.ordinal + {QUANTITY} * g)", sizes.gallery // RARE
    blank = f"{number} % {apart} = 1"
    images = {
        "batch_id": "'old-' || g",
        "idx": f"t.idx + {QUANTITY} * g",
        "public_id": "t.public_id || '-' || g",
        "stored_at": f"t.stored_at + {QUANTITY} * g",
        "favourite": f"{number} % {apart} = 0",
        "picture": f"CASE WHEN {blank} THEN NULL ELSE t.picture END",
        "placeholder": f"CASE WHEN {blank} THEN t.picture END",
        "status": f"CASE WHEN {blank} THEN 'placeholder' ELSE t.status END",
    }
    batches = {"batch_id": "'old-' || g", "created_at": "t.created_at - 1000000 + g"}
    changes = {"id": "t.id - 10 * g", "batch_id": "'old-' || g"}
    copies = sizes.gallery // QUANTITY
    await copied(database, IMAGES, "batch_id = 'first'", copies, images)
    await copied(database, BATCHES, "batch_id = 'first'", copies, batches)
    await copied(database, CHANGES, "kind = 'reserved'", copies, changes)
    other = {"id": "'chr_' || g", "owner": "'user-' || g % 100", "slug": "t.slug || g", "premade": "false"}
    await copied(database, CHARACTERS, "true", sizes.folders, other)
    await settled(database, IMAGES, BATCHES, CHANGES, CHARACTERS)


@asynccontextmanager
async def outbox(around: Nodes, sizes: Sizes) -> AsyncIterator[Works]:
    """Commands that wait because the broker is away, and ends that are heard meanwhile."""
    async with open_database(around.database_url(), "gateway", gateway.MIGRATIONS) as database:
        async with database.begin() as connection:
            await enqueue(database, connection, [events.request("first")], time.time() - 1_000_000)
        waiting = {
            "id": "gen_random_uuid()::text",
            "batch_id": "'old-' || g",
            "created_at": "t.created_at + g",
            "next_at": "t.next_at + g",
        }
        await copied(database, OUTBOX, "true", sizes.backlog, waiting)
        await settled(database, OUTBOX)
        box = SqlOutbox(database)

        async def send() -> None:
            now = time.time()
            found = await box.due(now, AT_ONCE)
            assert len(found) == AT_ONCE
            await box.unsent([each.id for each in found], now)

        yield {"commands, as the backlog grows": partial(cost, database, lambda: again(send))}
