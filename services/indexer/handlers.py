"""What the indexer does with each message: load, decide, act, return what is now true."""

from collections.abc import Sequence

from contracts.acceptance import refusal
from contracts.commands import GenerateBatch, OpenFolder
from contracts.events import FolderOpened, IndexTaken
from contracts.forms import Forms
from contracts.message import Message
from messaging.errors import TemporaryError
from services.indexer import domain
from services.indexer.ports import Folders, Ledger, Shelf


async def on_generate_batch(
    request: GenerateBatch, *, ledger: Ledger, folders: Folders, workflows: Forms, padding: int
) -> Sequence[Message]:
    """The batch's block of numbers, or why it can have none."""
    if why := refusal(request, workflows):
        return [domain.refused(request, why, await ledger.find(request.batch_id))]
    wish = domain.wish_for(request, padding)
    block = await ledger.reserve(wish)
    if block is None:
        await folders.open(wish.folder)
        block = await ledger.reserve(wish)
    if block is None:
        raise TemporaryError(f"folder {wish.folder} was opened and has no counter yet", delay=1)
    return [domain.reserved(request, block, wish.digest)]


async def on_dead_generate_batch(request: GenerateBatch, reason: str, *, ledger: Ledger) -> Sequence[Message]:
    """A batch that nobody will make must not be waited for."""
    return domain.buried_batch(request, reason, await ledger.find(request.batch_id))


async def on_open_folder(command: OpenFolder, *, folders: Folders) -> Sequence[Message]:
    """Where the folder's numbers begin, or have got to."""
    next_index = await folders.open(domain.checked_folder(command.folder))
    return [FolderOpened(folder=command.folder, next_index=next_index)]


async def on_index_taken(taken: IndexTaken, *, ledger: Ledger, shelf: Shelf) -> Sequence[Message]:
    """Another number for an image whose own is taken: once, however often it is asked."""
    earlier = await ledger.reassignments(taken.batch_id, taken.ordinal)
    known = next((move for move in earlier if move.old_index == taken.index), None)
    if known is None:
        folder = domain.checked_folder(taken.folder)
        block = await ledger.find(taken.batch_id)
        move = domain.move_of(taken, block, earlier, await shelf.look(folder))
        known = await ledger.reassign(move)
    return [domain.reassigned(taken, known)]


async def on_dead_index_taken(taken: IndexTaken, reason: str) -> Sequence[Message]:
    """An image that gets no number has failed."""
    return [domain.buried_index_taken(taken, reason)]
