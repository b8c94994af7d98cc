"""Removes bytes from the blob store that are needed no more, and tells of those that nobody came for."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

import structlog
from prometheus_client import Counter, Gauge

from chassis.blob_keys import BlobKey
from services.uploader.domain.endings import needs_bytes
from services.uploader.domain.rows import Row

log = structlog.get_logger("uploader")

#: Seconds that bytes are left alone: whoever stored them removes them himself, right after.
YOUNG_SECONDS = 300.0
#: Seconds after which bytes that still wait for their image are worth a word.
OLD_SECONDS = 3600.0
#: Images that are looked up at once.
CHUNK = 200
#: Keys that a line in the log names.
NAMED = 5

SWEPT = Counter("darkroom_blobs_swept", "Blobs removed because their image is stored or deleted")
LEFT = Gauge("darkroom_blobs_left", "Blobs older than five minutes whose image is not stored")
ORPHANED = Gauge("darkroom_blobs_orphaned", "Blobs older than an hour whose image is not stored")

Key = tuple[str, int]


class Store(Protocol):
    """The blob store, as far as a sweep needs it."""

    def keys(self) -> AsyncIterator[tuple[str, float]]: ...

    async def remove(self, key: str) -> None: ...

    async def tidy(self, older_than: float) -> int: ...


class Rows(Protocol):
    """The ledger, asked for many images at once."""

    async def rows(self, keys: Collection[Key]) -> Mapping[Key, Row]: ...


class Blob(NamedTuple):
    """Bytes in the store, with their age in seconds and what the ledger knows of their image."""

    key: BlobKey
    age: float
    row: Row | None

    @property
    def is_needed(self) -> bool:
        """Whether they may still be stored. The bytes of an image that is not known yet may."""
        return needs_bytes(self.row)


async def blobs_in(store: Store, ledger: Rows, older_than: float) -> AsyncIterator[Blob]:
    """Every blob of that age in seconds. Raises Outage where store or ledger can't be asked."""
    chunk: list[tuple[str, float]] = []
    async for key, age in store.keys():
        if age >= older_than:
            chunk.append((key, age))
        if len(chunk) == CHUNK:
            for blob in await _looked_up(chunk, ledger):
                yield blob
            chunk = []
    for blob in await _looked_up(chunk, ledger):
        yield blob


class Sweep:
    """Deletes only what the ledger says is stored or deleted, and what interrupted writes have left."""

    def __init__(
        self, store: Store, ledger: Rows, young: float = YOUNG_SECONDS, old: float = OLD_SECONDS
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._young = young
        self._old = old
        #: What was told already; a process says it once.
        self._told: frozenset[BlobKey] = frozenset()

    async def round(self) -> None:
        """Goes through the store once. Raises Outage where store or ledger can't be asked."""
        left: list[Blob] = []
        async for blob in blobs_in(self._store, self._ledger, self._young):
            if blob.is_needed:
                left.append(blob)
            else:
                await self._store.remove(str(blob.key))
                SWEPT.inc()
        await self._store.tidy(self._young)
        LEFT.set(len(left))
        self._tell([blob for blob in left if blob.age >= self._old])

    def _tell(self, old: Sequence[Blob]) -> None:
        ORPHANED.set(len(old))
        new = [blob for blob in old if blob.key not in self._told]
        self._told = frozenset(blob.key for blob in old)
        if new:
            log.warning(
                "bytes wait for images that nobody stores; see `darkroom blobs list`",
                new=len(new),
                count=len(old),
                keys=[str(blob.key) for blob in new[:NAMED]],
            )


async def _looked_up(chunk: Collection[tuple[str, float]], ledger: Rows) -> list[Blob]:
    if not chunk:
        return []
    found = [(BlobKey.of(key), age) for key, age in chunk]
    rows = await ledger.rows(sorted({(key.batch_id, key.ordinal) for key, _ in found}))
    return [Blob(key, age, rows.get((key.batch_id, key.ordinal))) for key, age in found]
