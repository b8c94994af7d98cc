"""What the uploader does with each message: load, decide, act, return what is now true."""

from collections.abc import Sequence

from contracts.commands import DeleteImage
from contracts.events import (
    FolderOpened,
    ImageDeleted,
    ImageFailed,
    ImageReady,
    IndexReassigned,
    IndicesReserved,
)
from contracts.message import Message
from services.uploader.domain import claims, endings
from services.uploader.domain.cards import card_of
from services.uploader.domain.rows import Lying, Refusal
from services.uploader.domain.steps import Say, Store, checked_folder, checked_name, ready_of
from services.uploader.ports import Batches, Blobs, Draw, Graves, Ledger, Shelf


async def on_indices_reserved(reserved: IndicesReserved, *, batches: Batches) -> Sequence[Message]:
    """A placeholder may need to know the request, and the folder's mirror its next number."""
    checked_folder(reserved.folder)
    await batches.remember(reserved)
    return []


async def on_folder_opened(opened: FolderOpened, *, batches: Batches) -> Sequence[Message]:
    """A new folder's mirror says where its numbers begin."""
    await batches.advance(checked_folder(opened.folder), opened.next_index)
    return []


async def on_image_ready(
    ready: ImageReady, *, ledger: Ledger, shelf: Shelf, blobs: Blobs
) -> Sequence[Message]:
    """Stored at its number, or why not."""
    step = await ledger.decide(ready, claims.for_image)
    return await _said(step, shelf) if isinstance(step, Say) else await _store(step, ledger, shelf, blobs)


async def on_index_reassigned(
    moved: IndexReassigned, *, batches: Batches, ledger: Ledger, shelf: Shelf, blobs: Blobs
) -> Sequence[Message]:
    """An image that had to give way is stored at its new number."""
    await batches.advance(checked_folder(moved.folder), moved.next_index)
    step = await ledger.decide(moved, claims.for_new_number)
    return await _said(step, shelf) if isinstance(step, Say) else await _store(step, ledger, shelf, blobs)


async def on_image_failed(
    failed: ImageFailed, *, ledger: Ledger, shelf: Shelf, draw: Draw
) -> Sequence[Message]:
    """A placeholder at the image's number, where one follows."""
    step = await ledger.decide(failed, claims.for_placeholder)
    if isinstance(step, Say):
        return await _said(step, shelf)
    async with ledger.holding(step):
        data = await draw(card_of(step, failed))
        row = endings.noted(step.row, data)
        await ledger.keep(step, row)
        found = await shelf.put(endings.placeholder_upload(step, row, endings.digest(data)), data)
        end = endings.placeholder_end(Store(row, step.batch), failed, found)
        await ledger.keep(step, end.row)
        return end.messages


async def on_delete_image(command: DeleteImage, *, graves: Graves, shelf: Shelf) -> Sequence[Message]:
    """Known as deleted first, so that nothing is stored there while it is taken away."""
    public_id = checked_name(command.public_id)
    await graves.bury(public_id)
    await shelf.remove(public_id)
    return [ImageDeleted(public_id=public_id)]


async def on_dead_image(
    dead: ImageReady | IndexReassigned, reason: str, *, ledger: Ledger
) -> Sequence[Message]:
    """An image whose message nobody can act on has failed, unless it is stored already."""
    known = await ledger.known(dead.batch_id, dead.ordinal)
    return endings.buried_image(known.row, known.batch, dead, reason)


async def forget_bytes(ready: ImageReady, *, ledger: Ledger, blobs: Blobs) -> None:
    """The bytes go once they are stored, and only then."""
    if await ledger.is_spent(ready):
        await blobs.remove(ready.blob_key)


async def _said(step: Say, shelf: Shelf) -> Sequence[Message]:
    """What is deleted is taken away once more: a process that froze may have stored it after the deletion,
    and its delivery comes again."""
    for deleted in step.messages:
        if isinstance(deleted, ImageDeleted):
            await shelf.remove(deleted.public_id)
    return step.messages


async def _store(claim: Store, ledger: Ledger, shelf: Shelf, blobs: Blobs) -> Sequence[Message]:
    async with ledger.holding(claim):
        end = endings.image_end(claim, await _uploaded(claim, shelf, blobs))
        await ledger.keep(claim, end.row)
        return end.messages


async def _uploaded(claim: Store, shelf: Shelf, blobs: Blobs) -> Lying | Refusal | None:
    ready = ready_of(claim)
    data = await blobs.fetch(ready)
    if data is None:
        return None
    upload = endings.image_upload(claim.row, ready)
    found = await shelf.put(upload, data)
    if endings.replaceable(claim.row, found):
        return await shelf.put(upload, data, replace=True)
    return found
