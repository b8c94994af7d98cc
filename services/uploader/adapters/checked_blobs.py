"""Finished bytes, held against what was said of them before anything is done with them."""

from functools import partial

from chassis.blobs import Blobs
from contracts.events import ImageReady
from services.uploader.domain.endings import check_bytes


class CheckedBlobs:
    """Implements the uploader's `Blobs` over the blob store."""

    def __init__(self, store: Blobs) -> None:
        self._store = store

    async def fetch(self, ready: ImageReady) -> bytes | None:
        return await self._store.get(ready.blob_key, partial(check_bytes, ready))

    async def remove(self, key: str) -> None:
        await self._store.remove(key)
