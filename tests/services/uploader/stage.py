"""The uploader as its app wires it, without a bus: a test hands it one message at a time."""

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from chassis.blobs import Blobs, blob_key, open_blobs
from chassis.cloudinary_account import Account, open_account
from chassis.database import Database, open_database
from contracts.commands import Character, GenerateBatch
from contracts.events import ImageFailed, ImageReady, ImageStored, IndexReassigned, IndicesReserved
from contracts.message import Message
from messaging.errors import Later, Outage
from services.uploader.adapters.cloudinary_shelf import CloudinaryShelf
from services.uploader.adapters.recent_batches import RecentBatches
from services.uploader.adapters.sql_folders import SqlFolders
from services.uploader.adapters.sql_ledger import SqlLedger
from services.uploader.app import MIGRATIONS, subscriptions
from services.uploader.mirror import Mirror

FOLDER = "Areg/characters/opal-fever/images"
OPAL = Character(id="c1", name="Opal Fever", collection="characters")

Asset = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """What replicas share."""

    url: str
    blobs: Path
    database: str

    async def fault(self, kind: str, **rule: Any) -> None:
        async with httpx.AsyncClient() as client:
            sent = await client.post(f"{self.url}/sandbox/faults", json={"kind": kind, **rule})
            sent.raise_for_status()

    async def assets(self, resource_type: str = "image") -> dict[str, Asset]:
        """What lies in storage, by public id."""
        async with httpx.AsyncClient() as client:
            every = (await client.get(f"{self.url}/sandbox/assets")).json()["assets"]
        return {asset["public_id"]: asset for asset in every if asset["resource_type"] == resource_type}

    async def stats(self) -> dict[str, Any]:
        async with httpx.AsyncClient() as client:
            stats: dict[str, Any] = (await client.get(f"{self.url}/sandbox/stats")).json()
        return stats

    async def begun(self) -> bool:
        """Whether an upload has reached storage."""
        return bool((await self.stats())["calls"].get("upload"))

    async def fetch(self, url: str) -> bytes:
        async with httpx.AsyncClient() as client:
            return (await client.get(url)).raise_for_status().content


@dataclass(frozen=True)
class Replica:
    """One uploader process."""

    database: Database
    ledger: SqlLedger
    folders: SqlFolders
    shelf: CloudinaryShelf
    account: Account
    blobs: Blobs
    mirror: Mirror

    async def hear(self, message: Message) -> Sequence[Message]:
        """Handles one delivery."""
        return await self._subscription(message).handle(message)  # type: ignore[no-any-return]

    async def hear_until_done(self, message: Message, seconds: float = 10) -> Sequence[Message]:
        """Handles a delivery that comes back as often as it has to wait, for others or for storage."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await self.hear(message)
                except (Later, Outage):
                    await asyncio.sleep(0.02)

    async def afterwards(self, message: ImageReady) -> None:
        """What is done once the delivery is acknowledged."""
        await self._subscription(message).then(message)

    async def bury(self, message: Message, reason: str) -> Sequence[Message]:
        return await self._subscription(message).bury(message, reason)  # type: ignore[no-any-return]

    def _subscription(self, message: Message) -> Any:
        known = subscriptions(self.ledger, self.folders, self.shelf, self.blobs, 3)
        return next(one for one in known if one.message is type(message))

    async def deliver(self, data: bytes, **told: Any) -> ImageReady:
        """The renderer's part: bytes in the blob store, and the message about them."""
        message = ready(data, **told)
        await self.blobs.put(message.blob_key, data)
        return message

    async def stored(self, data: bytes, **told: Any) -> ImageStored:
        (said,) = await self.hear(await self.deliver(data, **told))
        assert isinstance(said, ImageStored)
        return said


@asynccontextmanager
async def replica(
    stage: Stage, clock: Callable[[], float] = time.time, lease: float = 15
) -> AsyncIterator[Replica]:
    url = f"cloudinary://000000000000000:stand-in@darkroom?upload_prefix={stage.url}"
    async with (
        open_database(stage.database, "uploader", MIGRATIONS) as database,
        open_blobs(f"file:{stage.blobs}") as blobs,
        open_account(url, 3) as account,
    ):
        process = _process(database, account, blobs, clock, lease)
        async with aclosing(process.ledger):
            yield process


def reborn(former: Replica, clock: Callable[[], float]) -> Replica:
    """Another process over the same database: it knows nothing that the former one had in its memory."""
    return _process(former.database, former.account, former.blobs, clock, 15)


def _process(
    database: Database, account: Account, blobs: Blobs, clock: Callable[[], float], lease: float
) -> Replica:
    shelf, recent = CloudinaryShelf(account), RecentBatches()
    folders, ledger = SqlFolders(database, clock, recent), SqlLedger(database, clock, 3, lease, recent)
    return Replica(database, ledger, folders, shelf, account, blobs, Mirror(folders, shelf))


async def until(happened: Callable[[], bool], seconds: float = 10) -> None:
    async def now() -> bool:
        return happened()

    await until_true(now, seconds)


async def until_true(happened: Callable[[], Awaitable[object]], seconds: float = 10) -> None:
    """For what has no event of its own to wait for."""
    async with asyncio.timeout(seconds):
        while not await happened():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


def picture(seed: int, side: int = 8) -> bytes:
    buffer = BytesIO()
    noise = random.Random(seed).randbytes(side * side * 3)
    Image.frombytes("RGB", (side, side), noise).save(buffer, "PNG")
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def name(index: int) -> str:
    return f"Areg_opal-fever_image_{index}"


def public_id(index: int) -> str:
    return f"{FOLDER}/{name(index)}"


def reserved(
    batch_id: str = "b1", first: int = 7, quantity: int = 4, on_failure: Any = "placeholder", **more: Any
) -> IndicesReserved:
    request = GenerateBatch(
        batch_id=batch_id,
        username="Areg",
        character=OPAL,
        prompt="a portrait",
        quantity=quantity,
        width=128,
        height=192,
        on_failure=on_failure,
    )
    next_index = first + quantity
    told = {"folder": FOLDER, "first": first, "quantity": quantity, "next_index": next_index, **more}
    return IndicesReserved(request=request, **told)


def ready(data: bytes, batch_id: str = "b1", ordinal: int = 0, round: int = 1, **told: Any) -> ImageReady:
    index = told.get("index", 7 + ordinal)
    values = {
        "index": index,
        "folder": FOLDER,
        "name": name(index),
        "username": "Areg",
        "character": OPAL,
        "md5": digest(data),
        "byte_count": len(data),
        "media_type": "image/png",
        "width": 8,
        "height": 8,
        "seed": 41,
        "used_embedding": False,
        "backend": "pod-1",
        "queue_ms": 12,
        "gpu_ms": 3400,
        "blob_key": blob_key(batch_id, ordinal, round, digest(data)),
    }
    return ImageReady(batch_id=batch_id, ordinal=ordinal, round=round, **{**values, **told})


def failed(batch_id: str = "b1", ordinal: int = 0, round: int = 1, **told: Any) -> ImageFailed:
    values = {
        "index": 7 + ordinal,
        "stage": "render",
        "code": "out_of_memory",
        "detail": "The GPU ran out of memory.",
        "retryable": True,
        "placeholder_follows": True,
    }
    return ImageFailed(batch_id=batch_id, ordinal=ordinal, round=round, **{**values, **told})


def reassigned(old: int, new: int, batch_id: str = "b1", ordinal: int = 0, round: int = 1) -> IndexReassigned:
    return IndexReassigned(
        batch_id=batch_id,
        ordinal=ordinal,
        round=round,
        folder=FOLDER,
        old_index=old,
        new_index=new,
        next_index=new + 1,
    )
