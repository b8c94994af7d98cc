"""What is known of one image: a maximum of all that was ever heard of it, never the last message.

Each part grows on its own and by a maximum alone, so any order and any repetition of messages ends in the
same value; the image's status is then read off, by the order of truth: deleted > stored image > higher
round > (placeholder > failed or cancelled > waiting).
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from contracts.events import ImageFailed, ImageStored

CANCELLED = "cancelled"
#: Characters of a code that are counted by; ours are far shorter.
MAX_CAUSE = 100


class Status(StrEnum):
    """An image as people see it."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PLACEHOLDER = "placeholder"
    FAILED = "failed"
    CANCELED = "canceled"
    DELETED = "deleted"
    #: A placeholder that was deleted: people see a deleted image, but it never was one that was made.
    DISCARDED = "discarded"

    @property
    def word(self) -> str:
        """As people see it."""
        return Status.DELETED.value if self in GONE else self.value


#: What lay in storage once, and does no more.
GONE = (Status.DELETED, Status.DISCARDED)
#: An image with one of these has ended, until a retry.
ENDED = (Status.SUCCEEDED, Status.PLACEHOLDER, Status.FAILED, Status.CANCELED, *GONE)
#: A real image came to be, whatever became of it later.
MADE = (Status.SUCCEEDED, Status.DELETED)
#: Only a placeholder came to be.
BLANK = (Status.PLACEHOLDER, Status.DISCARDED)
#: What a retry may render again.
RETRYABLE = (Status.PLACEHOLDER, Status.FAILED, Status.CANCELED)


@dataclass(frozen=True)
class ImageState:
    """Everything that was heard of an image."""

    batch_id: str
    ordinal: int
    #: Numbers only ever move up: the highest heard is the present one.
    index: int
    #: Highest round that was asked for or heard of.
    round: int = 1
    picture: ImageStored | None = None
    placeholder: ImageStored | None = None
    failure: ImageFailed | None = None
    #: Whether `ImageDeleted` was heard of the asset that this image shows.
    deleted: bool = False
    #: What its owner said of it; no event touches that.
    favourite: bool = False
    delete_requested: bool = False

    @property
    def asset(self) -> ImageStored | None:
        """What lies in storage for this image."""
        return self.picture or self.placeholder

    @property
    def status(self) -> Status:
        if self.asset and self.deleted:
            return Status.DELETED if self.picture else Status.DISCARDED
        if self.picture:
            return Status.SUCCEEDED
        if self.placeholder and self.placeholder.round == self.round:
            return Status.PLACEHOLDER
        if self.failure and self.failure.round == self.round:
            return _failed(self.failure)
        return Status.QUEUED

    @property
    def lies_in_storage(self) -> bool:
        return self.asset is not None and not self.deleted

    @property
    def error(self) -> ImageFailed | None:
        """Why there is no picture, once there will be none in this round."""
        return self.failure if self.status in RETRYABLE and self.failure else None

    @property
    def cause(self) -> str | None:
        """The code of what went wrong, where an image was wished for to its end and did not come to be."""
        return self.error.code[:MAX_CAUSE] if self.error and self.status is not Status.CANCELED else None


def stored(known: ImageState, event: ImageStored) -> ImageState:
    known = _seen(known, event.index, event.round)
    if event.placeholder:
        return replace(known, placeholder=_later(known.placeholder, event))
    return replace(known, picture=_later(known.picture, event))


def failed(known: ImageState, event: ImageFailed) -> ImageState:
    known = _seen(known, event.index, event.round)
    return replace(known, failure=max(known.failure or event, event, key=_failure_order))


def asked(known: ImageState, index: int, round_: int = 1) -> ImageState:
    """It was reserved, renumbered or asked for again."""
    return _seen(known, index, round_)


def _seen(known: ImageState, index: int, round_: int) -> ImageState:
    return replace(known, index=max(known.index, index), round=max(known.round, round_))


def _failed(failure: ImageFailed) -> Status:
    if failure.placeholder_follows:
        return Status.RUNNING
    return Status.CANCELED if failure.code == CANCELLED else Status.FAILED


def _later(known: ImageStored | None, event: ImageStored) -> ImageStored:
    return event if known is None else max(known, event, key=_asset_order)


def _asset_order(event: ImageStored) -> tuple[int, int, bytes]:
    # The body decides between equals that differ, so that the choice does not depend on who came first.
    return event.round, event.version, event.encode()


def _failure_order(event: ImageFailed) -> tuple[int, bool, bytes]:
    return event.round, not event.placeholder_follows, event.encode()
