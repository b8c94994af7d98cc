"""What travels over HTTP under /v1. Neither bus messages nor table rows, so that each can change alone."""

from datetime import datetime
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contracts.limits import MAX_PARAMETERS, MAX_QUANTITY, MAX_SEED, MAX_SIDE, MAX_TEXT, MIN_SIDE
from services.gateway.adapters.http import examples
from services.gateway.adapters.http.webhook_words import MOST_WORDS, EventWord
from services.gateway.adapters.webhooks.receivers import MAX_URL


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("has a NUL character; take it out")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("has half a character (a lone surrogate); take it out") from None
    return text


#: PostgreSQL stores no NUL, UTF-8 no lone surrogate, and nobody means either.
Text = Annotated[str, AfterValidator(_storable), Field(json_schema_extra={"pattern": "^[^\\u0000]*$"})]


class Asked(BaseModel):
    """A body of ours: an unknown field is a typing error that would cost money, so it is refused, and so is
    a value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewCharacter(Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.NEW_CHARACTER]})

    name: Text = Field(min_length=1, max_length=200, examples=["Opal Fever"])
    premade: bool = Field(False, description="for everybody; needs the scope `premade`")
    embedding: Text | None = Field(
        None, max_length=200, description="used where the backend offers it", examples=["opal_fever"]
    )
    style: Text | None = Field(None, max_length=100, description="default style of this character's batches")
    private: bool = Field(
        False, description="its images are delivered to whoever has their signed URL, and to nobody else"
    )


class CharacterShape(BaseModel):
    id: str = Field(examples=["chr_5d41402abc4b2a76"])
    name: str = Field(examples=["Opal Fever"])
    slug: str = Field(examples=["opal-fever"])
    collection: str = Field(examples=["premade_characters"])
    owner: str = Field(examples=["Areg"])
    premade: bool
    embedding: str | None
    style: str | None
    private: bool
    created_at: datetime


class CharacterPage(BaseModel):
    items: list[CharacterShape]
    next_cursor: str | None
    has_more: bool


def _number(value: float) -> float:
    if isinstance(value, int) and not -(2**63) <= value <= MAX_SEED:
        raise ValueError("is an integer of more than 64 bits; choose a smaller one")
    if not isfinite(value):
        raise ValueError("is not a finite number")
    return value


#: What a workflow's named parameter can be; of numbers those that every reader keeps.
Parameter = (
    Annotated[Text, Field(max_length=MAX_TEXT)] | bool | Annotated[int | float, AfterValidator(_number)]
)


class NewBatch(Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.NEW_BATCH]})

    prompt: Text = Field(min_length=1, max_length=MAX_TEXT, examples=["portrait in opal light, silver hair"])
    negative_prompt: Text = Field("", max_length=MAX_TEXT, examples=["blurry"])
    quantity: int = Field(1, ge=1, le=MAX_QUANTITY, examples=[8])
    width: int = Field(1024, ge=MIN_SIDE, le=MAX_SIDE, multiple_of=8)
    height: int = Field(1536, ge=MIN_SIDE, le=MAX_SIDE, multiple_of=8)
    seed: int | None = Field(
        None, ge=0, lt=2**64, description="of the first image; the others count up from it", examples=[42]
    )
    style: Text | None = Field(None, max_length=100, examples=["noir"])
    workflow: Text = Field("portrait", max_length=100, examples=["portrait"])
    parameters: dict[Annotated[Text, Field(max_length=MAX_TEXT)], Parameter] = Field(
        default_factory=dict,
        max_length=MAX_PARAMETERS,
        description="named parameters of the workflow",
        examples=[{"steps": 30}],
    )
    on_failure: Literal["placeholder", "omit"] = Field(
        "placeholder", description="what stands at the index of an image that can't be made"
    )
    webhook: Text | None = Field(
        None,
        min_length=1,
        max_length=MAX_URL,
        description="where to call about this batch; signed with the secret of `/v1/webhook-secret`",
        examples=["https://example.com/hooks/darkroom"],
    )
    webhook_events_filter: list[EventWord] = Field(
        default_factory=list,
        max_length=MOST_WORDS,
        description="what to call about; `completed` alone if there are none",
        examples=[["start", "completed"]],
    )


class NewNamedBatch(NewBatch):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.NEW_NAMED_BATCH]})

    character_id: Text = Field(max_length=300, examples=["chr_5d41402abc4b2a76"])


class Retry(Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.RETRY]})

    ordinals: list[Annotated[int, Field(ge=0, lt=MAX_QUANTITY)]] | None = Field(
        None, min_length=1, description="which images; all that can be, if absent", examples=[[2, 5]]
    )


class ErrorShape(BaseModel):
    code: str = Field(examples=["missing_model"])
    detail: str
    retryable: bool


ImageWord = Literal[
    "queued", "running", "succeeded", "placeholder", "failed", "canceled", "deleting", "deleted"
]


class Progress(BaseModel):
    value: float = Field(ge=0, le=1, description="share of the work that is done, steps of renders included")
    done: int = Field(description="images that have ended")
    total: int


class ImageShape(BaseModel):
    id: str = Field(description="of `/v1/images/{image_id}`", examples=[examples.IMAGE_ID])
    ordinal: int = Field(description="place inside the batch, from 0")
    index: int = Field(description="number inside the folder", examples=[7])
    moved_from: int | None = Field(
        description="the number that was reserved for it, where something else lay there already"
    )
    round: int = Field(description="1, and one more with every retry")
    name: str | None = Field(description="known once it has its number", examples=["Areg_opal-fever_image_7"])
    status: ImageWord
    stage: str | None = Field(description="`queued`, `cold-start` or `running`, while it is rendered")
    step: int | None
    steps: int | None
    ahead: int | None = Field(description="images that will be rendered before this one")
    url: str | None
    thumbnail: str | None = Field(description="a small copy, for grids")
    public_id: str | None
    content_type: str | None = Field(examples=["image/png"])
    width: int | None
    height: int | None
    hash: str | None = Field(description="MD5 of the bytes")
    seed: int | None
    placeholder: bool
    favourite: bool
    used_embedding: bool | None
    backend: str | None
    queue_ms: int | None
    gpu_ms: int | None
    created_at: datetime | None
    error: ErrorShape | None


class Indexes(BaseModel):
    first: int = Field(examples=[7])
    last: int = Field(examples=[14])


class Metrics(BaseModel):
    queue_ms: int | None = Field(description="longest wait for a GPU")
    gpu_ms: int = Field(description="GPU time of all images so far")


BatchWord = Literal[
    "queued", "running", "succeeded", "partially_succeeded", "failed", "canceling", "canceled"
]


class BatchSummary(BaseModel):
    id: str = Field(examples=["bat_0b6c0f3e5d0c4f0e8a37c1c3a1b2c3d4"])
    status: BatchWord
    character: dict[str, str] = Field(examples=[{"id": "chr_5d41402abc4b2a76", "name": "Opal Fever"}])
    prompt: str
    quantity: int
    indexes: Indexes | None = Field(description="the numbers of its images, once they are reserved")
    created_at: datetime
    started_at: datetime | None = Field(description="when its first image was begun, once that is known")
    completed_at: datetime | None
    urls: dict[str, str]


class BatchShape(BatchSummary):
    negative_prompt: str
    width: int
    height: int
    seed: int | None
    style: str | None
    workflow: str
    parameters: dict[str, Any]
    on_failure: str
    folder: str | None
    ahead: int | None = Field(description="images of anybody that are rendered before this batch's next one")
    queue_position: int | None = Field(
        description="place of its next image in the queue, 1 for the first; null while none is known to wait"
    )
    progress: Progress
    images: list[ImageShape]
    metrics: Metrics
    error: ErrorShape | None = Field(description="why the whole batch was refused")


class StandingShape(BaseModel):
    """How a batch stands, in short; the fields are those of the batch."""

    status: BatchWord
    indexes: Indexes | None
    progress: Progress


class StepShape(BaseModel):
    """How far one render is."""

    ordinal: int
    index: int = Field(examples=[8])
    stage: Literal["queued", "cold-start", "running"]
    step: int = Field(examples=[12])
    steps: int = Field(description="0 while it is not known", examples=[30])
    ahead: int = Field(description="images that will be rendered before this one")
    value: float = Field(ge=0, le=1, description="share of its steps that is done", examples=[0.4])


class BatchPage(BaseModel):
    items: list[BatchSummary]
    next_cursor: str | None
    has_more: bool
