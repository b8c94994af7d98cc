"""What an event tells its receiver: the thing as it is at that moment, with links instead of bytes.

A body stays below the 20 kB that Standard Webhooks asks for: a prompt may be longer than that, and a batch
has up to a thousand images, so neither is told whole.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from services.gateway.adapters.http import views
from services.gateway.adapters.http.shapes import BatchWord, ErrorShape, ImageShape, ImageWord, Indexes
from services.gateway.domain.batches import Batch, count
from services.gateway.domain.images import BLANK, GONE, MADE, ImageState, Status
from services.gateway.domain.news import Word

#: Images that an event about a batch tells one by one, and characters of a reason.
MAX_IMAGES, MAX_DETAIL = 16, 1000


class ImageBrief(BaseModel):
    """One image in an event about its batch."""

    id: str
    index: int = Field(examples=[7])
    status: ImageWord
    url: str | None
    error: str | None = Field(description="code of the reason why there is no picture")


class BatchNews(BaseModel):
    """`data` of `batch.started` and `batch.completed`; the fields are those of the batch."""

    id: str
    status: BatchWord
    character: dict[str, str]
    quantity: int
    indexes: Indexes | None
    round: int = Field(description="1, and one more with every retry")
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    succeeded: int
    placeholders: int
    failed: int
    canceled: int
    images: list[ImageBrief] | None = Field(
        description=f"by index; null where there are more than {MAX_IMAGES}: look at `urls.self`"
    )
    error: ErrorShape | None = Field(description="why the whole batch was refused")
    urls: dict[str, str]


class ImageNews(ImageShape):
    """`data` of `image.completed`, `image.failed` and `image.deleted`: the image as the API shows it."""

    batch_id: str
    character_id: str | None
    urls: dict[str, str]


class TestNews(BaseModel):
    """`data` of `webhook.test`."""

    # Not a test of ours, whatever its name begins with.
    __test__ = False

    webhook_id: str


class Event(BaseModel):
    """The body of every call."""

    type: Word
    timestamp: datetime = Field(description="when it came to be, not when it was sent")


class BatchStarted(Event):
    type: Literal[Word.BATCH_STARTED]
    data: BatchNews


class BatchCompleted(Event):
    type: Literal[Word.BATCH_COMPLETED]
    data: BatchNews


class ImageCompleted(Event):
    type: Literal[Word.IMAGE_COMPLETED]
    data: ImageNews


class ImageFailed(Event):
    type: Literal[Word.IMAGE_FAILED]
    data: ImageNews


class ImageDeleted(Event):
    type: Literal[Word.IMAGE_DELETED]
    data: ImageNews


class WebhookTest(Event):
    type: Literal[Word.TEST]
    data: TestNews


def written(word: Word, data: BaseModel, now: float) -> str:
    """The text that is sent, the same at every attempt."""
    moment = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
    told = {"type": word.value, "timestamp": moment, "data": data.model_dump(mode="json")}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def of_batch(batch: Batch, images: Sequence[ImageState]) -> BatchNews:
    counts = count(images)
    shown = views.batch(batch, images, lambda _ordinal, _round: None)
    told: dict[str, Any] = shown.model_dump(include=set(BatchNews.model_fields) - {"images"})
    few = len(images) <= MAX_IMAGES
    return BatchNews(
        **told,
        round=max((image.round for image in images), default=1),
        succeeded=sum(counts.get(status, 0) for status in MADE),
        placeholders=sum(counts.get(status, 0) for status in BLANK),
        failed=counts.get(Status.FAILED, 0),
        canceled=counts.get(Status.CANCELED, 0),
        images=[_brief(image) for image in sorted(images, key=_index)] if few else None,
    )


def of_image(image: ImageState, batch: Batch | None) -> ImageNews:
    """`batch`, where what was asked for is known."""
    shown = views.image(image, lambda _ordinal, _round: None, batch)
    if shown.error:
        shown.error.detail = shown.error.detail[:MAX_DETAIL]
    character = batch.request.character.id if batch else image.asset and image.asset.character.id
    urls = {"self": f"{views.IMAGES}/{shown.id}", "batch": f"{views.BATCHES}/{image.batch_id}"}
    return ImageNews(**dict(shown), batch_id=image.batch_id, character_id=character, urls=urls)


def _brief(image: ImageState) -> ImageBrief:
    asset = None if image.status in GONE else image.asset
    return ImageBrief(
        id=views.image_id(image.batch_id, image.ordinal),
        index=image.index,
        status=views.word(image),
        url=asset.url if asset else None,
        error=image.error.code if image.error else None,
    )


def _index(image: ImageState) -> int:
    return image.index
