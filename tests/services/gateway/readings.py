"""What people see of a batch, by the decisions alone and by the tables; and how to tell the tables events."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select

from chassis.database import Database
from contracts.events import (
    BatchRejected,
    ImageDeleted,
    ImageFailed,
    ImageStored,
    IndexReassigned,
    IndicesReserved,
)
from contracts.message import Message
from services.gateway import handlers
from services.gateway.adapters.batch_rows import images_of
from services.gateway.adapters.rows import to_batch
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.tables import BATCHES
from services.gateway.domain import images
from services.gateway.domain.batches import Batch, batch_status, count
from services.gateway.domain.images import ENDED, ImageState

HANDLERS: dict[type[Message], Callable[..., Any]] = {
    IndicesReserved: handlers.on_indices_reserved,
    BatchRejected: handlers.on_batch_rejected,
    ImageStored: handlers.on_image_stored,
    ImageFailed: handlers.on_image_failed,
    IndexReassigned: handlers.on_index_reassigned,
    ImageDeleted: handlers.on_image_deleted,
}


@dataclass(frozen=True)
class Reading:
    """A batch as people see it; no status while nobody knows what was asked."""

    #: Status, index, url and error of each ordinal.
    images: dict[int, tuple[str, int, str | None, str | None]]
    status: str | None
    ended: int
    finished: bool


async def tell(gallery: SqlGallery, *events: Message) -> list[Message]:
    """Handles events one after another; what was said."""
    return [said for event in events for said in await HANDLERS[type(event)](event, gallery=gallery)]


async def read(database: Database, batch_id: str = "b1") -> Reading:
    async with database.read() as connection:
        query = select(BATCHES).where(BATCHES.c.batch_id == batch_id)
        row = (await connection.execute(query)).mappings().one_or_none()
        known = await images_of(connection, batch_id)
    if row is None:
        return Reading({}, None, 0, finished=False)
    batch = to_batch(row) if row["request"] else None
    return Reading(_shown(known), _status(batch, known), row["ended"], row["finished_at"] is not None)


def imagined(events: Iterable[Message]) -> Reading:
    """The same by the decisions alone, of events about one batch."""
    model = _Model()
    for event in events:
        model.hear(event)
    return model.reading()


class _Model:
    def __init__(self) -> None:
        self.known: dict[int, ImageState] = {}
        self.gone: set[str] = set()
        self.reserved: IndicesReserved | None = None
        self.rejected: BatchRejected | None = None

    def hear(self, event: Message) -> None:
        match event:
            case IndicesReserved():
                self.reserved = event
                for ordinal in range(event.quantity):
                    self._grow(
                        event.batch_id, ordinal, event.first + ordinal, images.asked, event.first + ordinal
                    )
            case ImageStored():
                self._grow(event.batch_id, event.ordinal, event.index, images.stored, event)
            case ImageFailed():
                self._grow(event.batch_id, event.ordinal, event.index, images.failed, event)
            case IndexReassigned(new_index=new):
                self._grow(event.batch_id, event.ordinal, new, images.asked, new, event.round)
            case ImageDeleted():
                self.gone.add(event.public_id)
            case BatchRejected():
                self.rejected = event

    def _grow(
        self, batch_id: str, ordinal: int, index: int, merge: Callable[..., ImageState], *by: Any
    ) -> None:
        self.known[ordinal] = merge(self.known.get(ordinal, ImageState(batch_id, ordinal, index)), *by)

    def reading(self) -> Reading:
        known = [
            replace(image, deleted=image.asset is not None and image.asset.public_id in self.gone)
            for _, image in sorted(self.known.items())
        ]
        ended = sum(image.status in ENDED for image in known)
        refused = None if self.reserved else self.rejected
        batch = None
        if self.reserved:
            batch = Batch(self.reserved.request, 0.0, first=self.reserved.first)
        complete = self.reserved is not None and ended == self.reserved.quantity
        return Reading(_shown(known), _status(batch, known), ended, complete or refused is not None)


def _shown(known: Sequence[ImageState]) -> dict[int, tuple[str, int, str | None, str | None]]:
    return {
        image.ordinal: (
            image.status.value,
            image.index,
            image.asset.url if image.asset else None,
            image.error.code if image.error else None,
        )
        for image in known
    }


def _status(batch: Batch | None, known: Sequence[ImageState]) -> str | None:
    return batch_status(batch, count(known)).value if batch else None
