"""What travels over HTTP about webhooks."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.adapters.http import webhook_examples as examples
from services.gateway.adapters.http.shapes import Asked, Text
from services.gateway.adapters.http.webhook_words import MOST_WORDS, EventWord
from services.gateway.adapters.webhooks.receivers import MAX_URL

EventName = Literal[
    "batch.started", "batch.completed", "image.completed", "image.failed", "image.deleted", "webhook.test"
]

Url = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=MAX_URL,
        description="begins with https://, has no user in it, and means a public address",
        examples=["https://example.com/hooks/darkroom"],
    ),
]
Events = Annotated[
    list[EventWord],
    Field(
        max_length=MOST_WORDS,
        description="what it hears of; `start` is `batch.started`, `output` is `image.completed` and "
        "`image.failed`, `completed` is `batch.completed`; that last one alone if there are none",
        examples=[["batch.completed", "image.failed"]],
    ),
]
Description = Annotated[Text, Field(max_length=500, description="for people", examples=["shop"])]


class NewWebhook(Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.NEW_WEBHOOK]})

    url: Url
    events: Events = Field(default_factory=list)
    description: Description = ""


class WebhookChange(Asked):
    """What is not named, or null, stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CHANGE]})

    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    enabled: bool | None = Field(
        None, description="`false`: what was still to be told waits; what happens meanwhile is not told"
    )


class WebhookShape(BaseModel):
    id: str = Field(examples=["wh_5f0c7d1e9a2b4c6d8e0f1a2b3c4d5e6f"])
    url: str
    events: list[EventName]
    description: str
    batch_id: str | None = Field(description="the only batch that it hears of; null: all of them")
    enabled: bool
    disabled_reason: Literal["asked", "gone", "failing"] | None = Field(
        description="`gone`: it answered 410; `failing`: nothing succeeded for five days"
    )
    disabled_at: datetime | None
    failing_since: datetime | None = Field(description="the first failure after its last success")
    created_at: datetime
    urls: dict[str, str]


class NewWebhookShape(WebhookShape):
    secret: str = Field(description="signs what is sent there; shown this once")


class WebhookPage(BaseModel):
    items: list[WebhookShape]
    next_cursor: str | None
    has_more: bool


class SecretShape(BaseModel):
    secret: str = Field(description="`whsec_` and the base64 of 32 bytes")
    also_signing_until: list[datetime] = Field(
        description="older secrets that sign along, by the moment at which they stop"
    )


class AttemptShape(BaseModel):
    at: datetime
    status_code: int | None = Field(description="null where no answer came")
    latency_ms: int
    error: str | None = Field(description="why no answer came")
    response: str | None = Field(description="the first 1,024 bytes of the answer's body")


class DeliveryShape(BaseModel):
    id: str = Field(description="the call's `webhook-id`, the same at every attempt")
    type: EventName
    batch_id: str | None
    status: Literal["pending", "delivered", "failed"]
    created_at: datetime
    delivered_at: datetime | None = Field(description="the last time that it was")
    next_attempt_at: datetime | None
    attempts: list[AttemptShape] = Field(description="the last 20, oldest first")
    urls: dict[str, str]


class WholeDeliveryShape(DeliveryShape):
    body: dict[str, Any] = Field(description="what is sent")


class DeliveryPage(BaseModel):
    items: list[DeliveryShape]
    next_cursor: str | None
    has_more: bool
