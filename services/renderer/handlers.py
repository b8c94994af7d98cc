"""What the renderer does with each message: the job book decides, the loop renders."""

from collections.abc import Sequence

from contracts.commands import CancelBatch, RetryImages
from contracts.events import IndicesReserved
from contracts.message import Message
from contracts.transient import ImagesWaiting
from services.renderer.domain.jobs import Batch, buried
from services.renderer.ports import Bell, Intake


async def on_indices_reserved(message: IndicesReserved, *, book: Intake, bell: Bell) -> Sequence[Message]:
    """One row per image, once; a repetition says again how the ended ones ended."""
    endings = await book.accept(message)
    return [*endings, _waiting(bell)]


async def bury_indices_reserved(message: IndicesReserved, reason: str, *, book: Intake) -> Sequence[Message]:
    """A batch that is in the book goes on; one that never got there fails, image by image."""
    endings = await book.endings(message.batch_id)
    if endings is not None:
        return endings
    unseeded = Batch(message.request, message.folder, message.first, message.padding, seed=0)
    return buried(unseeded, message.quantity, reason)


async def on_retry_images(message: RetryImages, *, book: Intake, bell: Bell) -> Sequence[Message]:
    """Rows of the next round. A command that overtakes its batch comes again."""
    endings = await book.retry(message)
    return [*endings, _waiting(bell)]


async def on_cancel_batch(message: CancelBatch, *, book: Intake) -> Sequence[Message]:
    """What waits ends now; what runs is cancelled by whoever holds it."""
    return await book.cancel(message.batch_id, message.round)


async def on_images_waiting(_message: ImagesWaiting, *, bell: Bell) -> Sequence[Message]:
    bell.set()
    return ()


def _waiting(bell: Bell) -> ImagesWaiting:
    """For the others; this process need not wait until it hears itself."""
    bell.set()
    return ImagesWaiting()
