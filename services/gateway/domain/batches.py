"""What is known of a batch, and the word for it."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from contracts.commands import GenerateBatch
from contracts.events import BatchFinished, BatchRejected, ImageResult
from services.gateway.domain.images import BLANK, ENDED, MADE, RETRYABLE, ImageState, Status


class BatchStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIALLY_SUCCEEDED = "partially_succeeded"
    FAILED = "failed"
    CANCELING = "canceling"
    CANCELED = "canceled"


@dataclass(frozen=True)
class Batch:
    """A batch without its images. Times are epoch seconds."""

    request: GenerateBatch
    created_at: float
    folder: str | None = None
    first: int | None = None
    next_index: int | None = None
    #: Digits that the images' names are padded to; kept by the reservation.
    padding: int = 0
    #: When its first image was begun, as far as its stored images tell.
    started_at: float | None = None
    #: Never of a batch that was reserved: who has numbers was not refused, whatever a late message says.
    rejected: BatchRejected | None = None
    cancel_requested_at: float | None = None
    finished_at: float | None = None
    #: Whether it was accepted just now, so that nothing can be known of its images.
    fresh: bool = field(default=False, compare=False)

    @property
    def reserved(self) -> bool:
        return self.first is not None

    def moved_from(self, image: ImageState) -> int | None:
        """The number that was reserved for the image, where something else lay there and it got another."""
        if self.first is None or image.index == self.first + image.ordinal:
            return None
        return self.first + image.ordinal


@dataclass(frozen=True)
class Sought:
    """Which batches of a user; None asks for no difference. Times are epoch seconds."""

    status: BatchStatus | None = None
    character_id: str | None = None
    created_after: float | None = None
    created_before: float | None = None


ANY = Sought()


def batch_status(batch: Batch, counts: Mapping[Status, int], started: bool = False) -> BatchStatus:
    """`counts` of images by status; `started` if any image is heard to be on a GPU."""
    ended = {status: counts.get(status, 0) for status in ENDED}
    if sum(ended.values()) >= batch.request.quantity:
        # Also where the reservation is not heard of yet: what ended has ended.
        return _finished(ended, batch.request.quantity)
    if batch.rejected:
        return BatchStatus.FAILED
    if batch.cancel_requested_at is not None:
        return BatchStatus.CANCELING
    begun = started or any(ended.values()) or counts.get(Status.RUNNING, 0)
    return BatchStatus.RUNNING if begun else BatchStatus.QUEUED


def is_complete(ended: int, quantity: int | None) -> bool:
    """Whether every image has ended; never, while nobody said how many there are."""
    return quantity is not None and ended >= quantity


def same_request(one: GenerateBatch, other: GenerateBatch) -> bool:
    """Whether both would travel as the same JSON: for a workflow `true` is not `1`, as it is for Python."""
    return _canonical(one) == _canonical(other)


def _canonical(request: GenerateBatch) -> str:
    return json.dumps(request.model_dump(mode="json"), sort_keys=True)


def _finished(ended: Mapping[Status, int], quantity: int) -> BatchStatus:
    made = sum(ended[status] for status in MADE)
    if made == quantity:
        return BatchStatus.SUCCEEDED
    # Who cancels a batch expects to read so, whatever was done before.
    if ended[Status.CANCELED]:
        return BatchStatus.CANCELED
    return BatchStatus.PARTIALLY_SUCCEEDED if made else BatchStatus.FAILED


def refused(batch_id: str, username: str) -> BatchFinished:
    """What is said of a batch that got no numbers: it has ended, without images."""
    return BatchFinished(
        batch_id=batch_id,
        round=1,
        username=username,
        status=BatchStatus.FAILED.value,
        succeeded=0,
        placeholders=0,
        failed=0,
        canceled=0,
        results=(),
    )


def finished(batch: Batch, images: Sequence[ImageState]) -> BatchFinished:
    """What is said when every image has ended; the same for the same images. Where a placeholder is heard of
    before the failure behind it, the end is said twice: the counts agree, the second has the reason too."""
    counts = count(images)
    return BatchFinished(
        batch_id=batch.request.batch_id,
        round=max(image.round for image in images),
        username=batch.request.username,
        status=batch_status(batch, counts).value,  # type: ignore[arg-type]
        succeeded=sum(counts.get(status, 0) for status in MADE),
        placeholders=sum(counts.get(status, 0) for status in BLANK),
        failed=counts.get(Status.FAILED, 0),
        canceled=counts.get(Status.CANCELED, 0),
        results=tuple(_result(batch, image) for image in sorted(images, key=lambda image: image.ordinal)),
    )


def count(images: Sequence[ImageState]) -> dict[Status, int]:
    statuses = [image.status for image in images]
    return {status: statuses.count(status) for status in set(statuses)}


def _result(batch: Batch, image: ImageState) -> ImageResult:
    asset, error = image.asset, image.error
    return ImageResult(
        ordinal=image.ordinal,
        index=image.index,
        moved_from=batch.moved_from(image),
        status=image.status.word,  # type: ignore[arg-type]
        public_id=asset.public_id if asset else None,
        url=asset.url if asset else None,
        md5=asset.md5 if asset else None,
        code=error.code if error else None,
        detail=error.detail if error else None,
    )


def to_retry(images: Sequence[ImageState], ordinals: Collection[int] | None) -> tuple[int, tuple[int, ...]]:
    """The round and the ordinals of a `RetryImages`: what failed, was cancelled or is a placeholder, and of
    that what was named. One round for all of them, higher than any of the batch: a command is known by its
    batch and round, and so is the batch's next end."""
    chosen = [
        image
        for image in images
        if image.status in RETRYABLE
        # What is being deleted is as good as deleted.
        and not image.delete_requested
        and (ordinals is None or image.ordinal in ordinals)
    ]
    following = max((image.round for image in images), default=0) + 1
    return following, tuple(sorted(image.ordinal for image in chosen))
