"""What the gateway does with what it hears: the read model grows, and a batch's end is said."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from contracts.events import (
    BatchFinished,
    BatchRejected,
    ImageDeleted,
    ImageFailed,
    ImageStored,
    IndexReassigned,
    IndicesReserved,
)
from contracts.message import Message
from contracts.transient import ChangesLogged, RenderProgress, ServiceStatus
from services.gateway.domain import images
from services.gateway.ports import Courier, Fleet, Gallery, Shown, Stage

M = TypeVar("M", bound=Message)


async def growing(
    message: M, *, handler: Callable[..., Awaitable[Sequence[Message]]], gallery: Gallery, stage: Stage
) -> Sequence[Message]:
    """What any of the handlers below does with an event. Who waits at this process for the end that it brings
    need not wait until the hint has come back from the broker."""
    said = await handler(message, gallery=gallery)
    for end in said:
        if isinstance(end, BatchFinished):
            stage.ended(end.batch_id)
    return said


async def on_indices_reserved(message: IndicesReserved, *, gallery: Gallery) -> Sequence[Message]:
    return _said(message.batch_id, await gallery.reserved(message))


async def on_batch_rejected(message: BatchRejected, *, gallery: Gallery) -> Sequence[Message]:
    return _said(message.batch_id, await gallery.rejected(message))


async def on_image_stored(message: ImageStored, *, gallery: Gallery) -> Sequence[Message]:
    def merge(known: images.ImageState) -> images.ImageState:
        return images.stored(known, message)

    shown = await gallery.heard(message.batch_id, message.ordinal, message.index, merge)
    return _told(message.batch_id, shown)


async def on_image_failed(message: ImageFailed, *, gallery: Gallery) -> Sequence[Message]:
    def merge(known: images.ImageState) -> images.ImageState:
        return images.failed(known, message)

    shown = await gallery.heard(message.batch_id, message.ordinal, message.index, merge)
    return _told(message.batch_id, shown)


async def on_index_reassigned(message: IndexReassigned, *, gallery: Gallery) -> Sequence[Message]:
    def merge(known: images.ImageState) -> images.ImageState:
        return images.asked(known, message.new_index, message.round)

    shown = await gallery.heard(message.batch_id, message.ordinal, message.new_index, merge)
    return _told(message.batch_id, shown)


async def on_image_deleted(message: ImageDeleted, *, gallery: Gallery) -> Sequence[Message]:
    shown = await gallery.deleted(message.public_id)
    return [said for batch_id, each in shown.items() for said in _told(batch_id, each)]


async def on_render_progress(message: RenderProgress, *, stage: Stage) -> Sequence[Message]:
    stage.show(message)
    return []


async def on_changes_logged(message: ChangesLogged, *, stage: Stage, courier: Courier) -> Sequence[Message]:
    stage.changed(message.batch_id)
    courier.stir()
    return []


async def on_service_status(message: ServiceStatus, *, fleet: Fleet) -> Sequence[Message]:
    fleet.tell(message)
    return []


def _told(batch_id: str, shown: Shown) -> Sequence[Message]:
    return _said(batch_id, shown.end) if shown.speaks else []


def _said(batch_id: str, end: BatchFinished | None) -> Sequence[Message]:
    hint = ChangesLogged(batch_id=batch_id)
    return [end, hint] if end else [hint]
