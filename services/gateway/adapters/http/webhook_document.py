"""The calls that Darkroom makes itself, for the `webhooks` section of the OpenAPI document."""

from typing import Annotated, Any

from fastapi import APIRouter, Header

from services.gateway.adapters.webhooks import bodies
from services.gateway.domain.news import Word

_TOLD: dict[Word, tuple[type[bodies.Event], str]] = {
    Word.BATCH_STARTED: (bodies.BatchStarted, "A batch has its numbers"),
    Word.BATCH_COMPLETED: (bodies.BatchCompleted, "Every image of a batch has ended, or there will be none"),
    Word.IMAGE_COMPLETED: (bodies.ImageCompleted, "An image lies in storage"),
    Word.IMAGE_FAILED: (bodies.ImageFailed, "An image could not be made; there may be a placeholder"),
    Word.IMAGE_DELETED: (bodies.ImageDeleted, "An image is gone from storage"),
    Word.TEST: (bodies.WebhookTest, "Somebody asked for a test"),
}
_ABOUT = """Signed after Standard Webhooks. At least once, in no promised order: `webhook-id` is the same at
every attempt, and `timestamp` says when the thing came to be. Only 2xx within 20 seconds means that it was
heard; redirects are not followed. Otherwise it is sent again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h,
20 h and 24 h. 410 disables the webhook; `Retry-After` is obeyed with 429 and 503."""

_Id = Annotated[str, Header(alias="webhook-id", description="of the event, for this webhook")]
_Timestamp = Annotated[int, Header(alias="webhook-timestamp", description="of the attempt, Unix seconds")]
_Signature = Annotated[
    str, Header(alias="webhook-signature", description="`v1,` and base64; several with a space between")
]

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Heard, like any other 2xx"},
    410: {"description": "Never again: the webhook is disabled"},
    429: {"description": "Later; `Retry-After` says when"},
}


def webhook_routes() -> APIRouter:
    router = APIRouter()
    for word, (model, summary) in _TOLD.items():
        name = "".join(part.title() for part in word.value.split("."))
        router.add_api_route(
            word.value,
            _receiver(model),
            methods=["POST"],
            status_code=200,
            operation_id=f"on{name}",
            summary=summary,
            description=_ABOUT,
            tags=["webhooks"],
            response_model=None,
            responses=_RESPONSES,
        )
    return router


def _receiver(model: type[bodies.Event]) -> Any:
    async def receive(
        told: Any, webhook_id: _Id, webhook_timestamp: _Timestamp, webhook_signature: _Signature
    ) -> None:
        """Stands for whoever is called."""

    receive.__annotations__["told"] = model
    return receive
