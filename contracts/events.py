"""Events: what is now true, owned by the service that sends them."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from contracts.commands import Character, GenerateBatch
from contracts.limits import MAX_QUANTITY
from contracts.message import BatchId, Index, Kind, Md5, Message, Ordinal, Round, Value


class Event(Message):
    kind: ClassVar[Kind] = Kind.EVENT


class IndicesReserved(Event):
    """indexer -> renderer, uploader, gateway: ordinal k of this batch has the number `first + k`."""

    request: GenerateBatch
    folder: str
    first: Index
    #: Bounded, since readers make a row for each: a forged one must not fill their memory.
    quantity: int = Field(ge=1, le=MAX_QUANTITY)
    #: The number that the folder's next batch begins with, as far as this reservation knows.
    next_index: Index
    #: Digits that image names are zero-padded to; 0 for none. Kept with the reservation, so that a
    #: changed setting never renames an image half-way.
    padding: int = Field(default=0, ge=0, le=12)

    @property
    def batch_id(self) -> str:
        return self.request.batch_id


class BatchRejected(Event):
    """indexer -> gateway: this batch was refused before anything was reserved."""

    batch_id: BatchId
    code: str
    reason: str


class ImageEvent(Event):
    """An event about one image; `index` is its number at that moment."""

    batch_id: BatchId
    ordinal: Ordinal
    round: Round
    index: Index


class Picture(ImageEvent):
    """What is known of an image's bytes and of how they came to be."""

    folder: str
    #: Image name inside the folder, without extension, e.g. `Areg_opal-fever_image_7`.
    name: str
    username: str
    character: Character
    md5: Md5
    byte_count: int = Field(ge=1)
    media_type: str
    width: int = Field(ge=1, description="pixels")
    height: int = Field(ge=1, description="pixels")
    seed: int | None
    used_embedding: bool
    backend: str | None
    #: Milliseconds from the round's beginning to the start on a GPU, and from there to the finished image.
    queue_ms: int = Field(ge=0)
    gpu_ms: int = Field(ge=0)


class ImageReady(Picture):
    """renderer -> uploader: the bytes lie under `blob_key`."""

    blob_key: str
    seed: int
    backend: str


class ImageFailed(ImageEvent):
    """renderer, uploader, indexer -> uploader, gateway: this image did not come to be, and why."""

    stage: Literal["render", "store"]
    #: Stable, for programs; `detail` is a sentence for people.
    code: str
    detail: str
    #: Whether `RetryImages` has a chance.
    retryable: bool
    #: True where the uploader will store a placeholder, which then ends the image.
    placeholder_follows: bool

    def key(self) -> tuple[str | int, ...]:
        # What a placeholder was to follow, and that there is none either, can both come from stage `store`.
        end = () if self.placeholder_follows else ("end",)
        return (*super().key(), self.stage, *end)


class ImageStored(Picture):
    """uploader -> gateway: the asset lies at `public_id`, verified; all but the bytes' place is told."""

    public_id: str
    url: str
    version: int
    placeholder: bool
    created_at: datetime

    def key(self) -> tuple[str | int, ...]:
        return (*super().key(), "placeholder" if self.placeholder else "image")


class Found(Value):
    """What lay at a name that was meant for another image."""

    public_id: str
    md5: str | None = None
    byte_count: int | None = None
    created_at: str | None = None


class IndexTaken(Event):
    """uploader -> indexer: something else lies at this image's number; it needs another one."""

    batch_id: BatchId
    ordinal: Ordinal
    round: Round
    index: Index
    folder: str
    found: Found

    def key(self) -> tuple[str | int, ...]:
        return (self.batch_id, self.ordinal, self.index)


class IndexReassigned(Event):
    """indexer -> uploader, gateway: the image that had `old_index` now has `new_index`."""

    batch_id: BatchId
    ordinal: Ordinal
    round: Round
    folder: str
    old_index: Index
    new_index: Index
    next_index: Index

    def key(self) -> tuple[str | int, ...]:
        return (self.batch_id, self.ordinal, self.old_index)


class ImageDeleted(Event):
    """uploader -> gateway: nothing lies at this name any more, and nothing will."""

    public_id: str

    def key(self) -> tuple[str | int, ...]:
        return (self.public_id,)


class FolderOpened(Event):
    """indexer -> uploader: the folder is known, its next number is this."""

    folder: str
    next_index: Index

    def key(self) -> tuple[str | int, ...]:
        return (self.folder, self.next_index)


class ImageResult(Value):
    """How one image of a finished batch ended."""

    ordinal: Ordinal
    index: Index
    #: The number that was reserved for it, where another asset lay there and it got a new one.
    moved_from: Index | None = None
    status: Literal["succeeded", "placeholder", "failed", "canceled", "deleted"]
    public_id: str | None = None
    url: str | None = None
    md5: str | None = None
    code: str | None = None
    detail: str | None = None


class BatchFinished(Event):
    """gateway -> anybody: every image of the batch has ended in its last round."""

    mandatory: ClassVar[bool] = False

    batch_id: BatchId
    #: Highest round of any image, so that a batch that was retried finishes again.
    round: Round
    username: str
    status: Literal["succeeded", "partially_succeeded", "failed", "canceled"]
    succeeded: int
    placeholders: int
    failed: int
    canceled: int
    results: tuple[ImageResult, ...]
