"""The steps of an image by our own adapters, for those who put them together otherwise than our services do.

No books are kept but the counter: whoever is killed in between renders again, stores again, or leaves a hole.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any
from uuid import uuid4

from chassis.blobs import Blobs, blob_key, open_blobs
from chassis.cloudinary_account import open_account
from chassis.database import open_database
from contracts import names
from contracts.acceptance import folder_of
from contracts.commands import GenerateBatch
from services.indexer.adapters.sql_counters import SqlCounters
from services.indexer.adapters.sql_ledger import SqlLedger
from services.indexer.app import MIGRATIONS
from services.indexer.domain import wish_for
from services.renderer.adapters.comfyui.address import read_address
from services.renderer.adapters.comfyui.pod import Pod
from services.renderer.adapters.pictures import examine
from services.renderer.adapters.places import Pace
from services.renderer.adapters.workflows import load_workflows
from services.renderer.domain.jobs import Batch, Job, Key, Picture
from services.renderer.domain.remote import Finished
from services.renderer.domain.workflows import Workflow, bind
from services.uploader.adapters.cloudinary_shelf import CloudinaryShelf
from services.uploader.domain.rows import Lying, Place, Upload
from tests.source import ROOT

#: Images that a server holds at once, as the renderer's setting has it, and seconds between two looks.
DEPTH, POLL = 2, 1.0


@dataclass
class Studio:
    """Opened in the process that uses it."""

    ledger: SqlLedger
    counters: SqlCounters
    pods: Sequence[Pod]
    workflows: dict[str, Workflow]
    shelf: CloudinaryShelf
    blobs: Blobs

    def __post_init__(self) -> None:
        self._turn = cycle(random.sample(self.pods, len(self.pods)))
        self._places = {pod.name: asyncio.Semaphore(DEPTH) for pod in self.pods}

    async def reserve(self, request: GenerateBatch) -> int:
        """The batch's first number."""
        wish = wish_for(request, 0)
        block = await self.ledger.reserve(wish)
        if block is None:
            await self.counters.adopt(wish.folder, 1)
            block = await self.ledger.reserve(wish)
        assert block is not None
        return block.first

    async def render(self, request: GenerateBatch, first: int, ordinal: int) -> Picture:
        pod, now = next(self._turn), time.time()
        batch = Batch(request, folder_of(request), first, 0, seed=0)
        job = Job(Key(request.batch_id, ordinal, 1), batch, now, 0, pod.name, str(uuid4()), now, fresh=True)
        bound = bind(self.workflows[request.workflow], job, pod.embeddings)
        async with self._places[pod.name]:
            remote = job.remote(bound.output)
            with pod.watching(remote, POLL) as watch:
                await pod.submit(remote, bound.graph)
                while not isinstance(seen := await watch.news(remote), Finished):
                    pass
            return await examine(await pod.fetch(seen.image))

    async def store(self, request: GenerateBatch, index: int, picture: bytes) -> None:
        name = names.image_name(request.username, names.slug(request.character.name), index, 0)
        place = Place(folder_of(request), name, index)
        context = {"batch": request.batch_id}
        found = await self.shelf.put(Upload(place, f"{name}.png", ("bench",), context), picture)
        assert isinstance(found, Lying), found

    async def keep(self, request: GenerateBatch, ordinal: int, picture: Picture) -> str:
        """Where the bytes lie from now on."""
        key = blob_key(request.batch_id, ordinal, 1, picture.md5)
        await self.blobs.put(key, picture.data)
        return key


@asynccontextmanager
async def opened() -> AsyncIterator[Studio]:
    """At the addresses that the environment names, as the services' own variables do."""
    known = os.environ
    workflows = load_workflows(ROOT / "workflows")
    classes = frozenset(name for each in workflows.values() for name in each.classes)
    urls = known["RENDERER_URLS"].split(",")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        database = await enter(open_database(known["DATABASE_URL"], "indexer", MIGRATIONS, pool=2))
        ledger = await enter(aclosing(SqlLedger(database, time.time)))
        account = await enter(open_account(known["CLOUDINARY_URL"]))
        blobs = await enter(open_blobs(known["BLOBS_URL"]))
        pods = [Pod(read_address(url, Pace(DEPTH)), classes) for url in urls]
        for pod in pods:
            stack.push_async_callback(pod.close)
            await pod.probe()
        listening = [asyncio.create_task(pod.listen()) for pod in pods]
        try:
            yield Studio(
                ledger,
                SqlCounters(database, time.time),
                pods,
                workflows,
                CloudinaryShelf(account),
                blobs,
            )
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)


def request(number: int, quantity: int) -> dict[str, Any]:
    """A batch as it is asked for."""
    return {
        "batch_id": f"batch-{uuid4().hex[:12]}-{number}",
        "username": "Areg",
        "character": {"id": "c1", "name": f"Opal Fever {number % 8}", "collection": "characters"},
        "prompt": "opal light",
        "quantity": quantity,
        "width": 64,
        "height": 64,
        "workflow": "colour-card",
    }
