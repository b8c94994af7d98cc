"""The same story as a stream of events, for the OpenAPI document."""

from typing import Any

from fastapi.sse import format_sse_event

from services.gateway.adapters.http.examples import BATCH
from services.gateway.adapters.http.frames import ClosingShape, closing
from services.gateway.adapters.http.shapes import (
    BatchShape,
    BatchSummary,
    ImageShape,
    StandingShape,
    StepShape,
)
from services.gateway.adapters.http.user_stream import BatchesShape, OutputShape, ProgressShape

_DONE = BatchShape.model_validate(BATCH)
_WAITING = _DONE.images[0].model_copy(
    update={"status": "queued", "url": None, "thumbnail": None, "public_id": None, "hash": None, "ahead": 0}
)
_BEGUN = _DONE.model_copy(update={"status": "queued", "completed_at": None, "images": [_WAITING]})
_STEP = StepShape(ordinal=0, index=7, stage="running", step=12, steps=30, ahead=0, value=0.4)
_STANDING = StandingShape.model_validate(BATCH)

_STORY = (
    format_sse_event(retry=2000),
    format_sse_event(event="status", data_str=_BEGUN.model_dump_json(), id="40"),
    format_sse_event(event="progress", data_str=_STEP.model_dump_json()),
    format_sse_event(event="status", data_str=_STANDING.model_dump_json()),
    format_sse_event(event="output", data_str=_DONE.images[0].model_dump_json(), id="41"),
    closing("stopping").wire,
    format_sse_event(event="completed", data_str=_DONE.model_dump_json(), id="41.end"),
)


def _schema(*models: type) -> dict[str, Any]:
    named = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in models]
    return named[0] if len(named) == 1 else {"anyOf": named}


STREAM: dict[str, Any] = {
    "description": "Events, until the batch has ended",
    "content": {
        "text/event-stream": {
            "schema": {"type": "string"},
            "example": b"".join(_STORY).decode(),
            # OpenAPI 3.1 has no words for the parts of a stream; this is what `data` holds, by `event`.
            "x-events": {
                "status": _schema(BatchShape, StandingShape),
                "output": _schema(ImageShape),
                "progress": _schema(StepShape),
                "completed": _schema(BatchShape),
                "closing": _schema(ClosingShape),
            },
        }
    },
}

_SUMMARY = BatchSummary.model_validate(BATCH)
_OF = {"batch_id": _DONE.id}
_USERS_STORY = (
    format_sse_event(retry=2000),
    format_sse_event(event="batches", data_str=BatchesShape(items=[]).model_dump_json(), id="39"),
    format_sse_event(event="progress", data_str=ProgressShape(**_OF, **_STEP.model_dump()).model_dump_json()),
    format_sse_event(
        event="output", data_str=OutputShape(**_OF, **_DONE.images[0].model_dump()).model_dump_json()
    ),
    format_sse_event(event="batch", data_str=_SUMMARY.model_dump_json(), id="41"),
    closing("token_expired").wire,
)

USERS_STREAM: dict[str, Any] = {
    "description": "Events, for as long as the client likes",
    "content": {
        "text/event-stream": {
            "schema": {"type": "string"},
            "example": b"".join(_USERS_STORY).decode(),
            "x-events": {
                "batches": _schema(BatchesShape),
                "output": _schema(OutputShape),
                "batch": _schema(BatchSummary),
                "progress": _schema(ProgressShape),
                "closing": _schema(ClosingShape),
            },
        }
    },
}
