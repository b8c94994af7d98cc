"""Removes bytes from the blob store that are needed no more, and counts those that may still be."""

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Protocol

import structlog
from prometheus_client import Counter, Gauge

from services.uploader.domain.endings import needs_bytes
from services.uploader.domain.rows import Row

log = structlog.get_logger("uploader")

#: Seconds that bytes are left alone: whoever stored them removes them himself, right after.
YOUNG_SECONDS = 300.0
#: Images that are looked up at once.
CHUNK = 200

SWEPT = Counter("darkroom_blobs_swept", "Blobs removed because their image is stored or deleted")
LEFT = Gauge("darkroom_blobs_left", "Blobs older than five minutes whose image is not stored")

Key = tuple[str, int]


class Store(Protocol):
    """The blob store, as far as a sweep needs it."""

    def keys(self) -> AsyncIterator[tuple[str, float]]: ...

    async def remove(self, key: str) -> None: ...

    async def tidy(self, older_than: float) -> int: ...


class Rows(Protocol):
    """The ledger, asked for many images at once."""

    async def rows(self, keys: Collection[Key]) -> Mapping[Key, Row]: ...


async def sweep(store: Store, ledger: Rows, young: float = YOUNG_SECONDS) -> None:
    """One round. Deletes only what the ledger says is stored or deleted, and files of interrupted writes."""
    left, chunk = 0, []
    async for key, age in store.keys():
        if age >= young:
            chunk.append(key)
        if len(chunk) == CHUNK:
            left += await _sweep(chunk, store, ledger)
            chunk = []
    left += await _sweep(chunk, store, ledger)
    await store.tidy(young)
    if left:
        log.info("blobs wait for their images", count=left)
    LEFT.set(left)


async def _sweep(keys: Collection[str], store: Store, ledger: Rows) -> int:
    """How many were left."""
    if not keys:
        return 0
    images = {key: _image(key) for key in keys}
    rows = await ledger.rows(sorted(set(images.values())))
    spent = [key for key, image in images.items() if not needs_bytes(rows.get(image))]
    for key in spent:
        await store.remove(key)
    SWEPT.inc(len(spent))
    return len(images) - len(spent)


def _image(key: str) -> Key:
    batch_id, ordinal, _ = key.split("/")
    return batch_id, int(ordinal)
