"""The OpenAPI document, as complete as a client generator needs it."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from services.gateway.adapters.http.codes import CODES
from services.gateway.adapters.http.desk import BEHALF
from services.gateway.adapters.http.examples import ANSWERS
from services.gateway.adapters.http.frames import ClosingShape
from services.gateway.adapters.http.health_document import HEALTH
from services.gateway.adapters.http.image_examples import ANSWERS as IMAGE_ANSWERS
from services.gateway.adapters.http.operate_examples import ANSWERS as OPERATE_ANSWERS
from services.gateway.adapters.http.problems import FieldError, ProblemDocument
from services.gateway.adapters.http.shapes import StandingShape, StepShape
from services.gateway.adapters.http.user_stream import BatchesShape, OutputShape, ProgressShape
from services.gateway.adapters.http.webhook_examples import ANSWERS as WEBHOOK_ANSWERS
from services.gateway.adapters.http.webhook_examples import event

#: What travels in streams alone.
EVENTS = (BatchesShape, OutputShape, ProgressShape, ClosingShape)
_ANSWERS = {**ANSWERS, **IMAGE_ANSWERS, **OPERATE_ANSWERS, **WEBHOOK_ANSWERS}
_SCHEMA = "#/components/schemas/{model}"
#: What the framework would answer to a bad request; ours are problem documents.
_FOREIGN = ("HTTPValidationError", "ValidationError")
_ON_BEHALF_OF = {
    "name": BEHALF,
    "in": "header",
    "required": False,
    "description": "the user that a service acts for, whose token has the scope `act-as`",
    "schema": {"type": "string", "maxLength": 128},
    "example": "Areg",
}
_REQUEST_ID = {"description": "names this request in our log", "schema": {"type": "string"}}


class Application(FastAPI):
    """Tells of problem documents, and of nothing that it never answers."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            for name in _FOREIGN:
                schemas.pop(name, None)
            schemas.update(_unanswered_schemas())
            schemas["ProblemDocument"]["properties"]["code"]["enum"] = sorted(CODES)
            for path in document["paths"].values():
                for operation in path.values():
                    operation["responses"] = _ours(operation["responses"])
                    operation.setdefault("parameters", []).append(_ON_BEHALF_OF)
            document["paths"] |= HEALTH
            for word, call in document["webhooks"].items():
                # A receiver answers as it likes.
                call["post"]["responses"].pop("422")
                call["post"]["requestBody"]["content"]["application/json"]["example"] = event(word)
        assert self.openapi_schema is not None
        return self.openapi_schema


def _unanswered_schemas() -> dict[str, Any]:
    """Of what no route answers with by itself: problems, and the data of events."""
    told = (ProblemDocument, FieldError, StandingShape, StepShape, *EVENTS)
    models = [(model, "serialization") for model in told]
    _, schemas = models_json_schema(models, ref_template=_SCHEMA)  # type: ignore[arg-type]
    return dict(schemas["$defs"])


def _ours(responses: dict[str, Any]) -> dict[str, Any]:
    kept = {status: told for status, told in responses.items() if not _is_foreign(told)}
    for told in kept.values():
        content = told.get("content", {})
        media = content.get("application/json", {})
        if "example" in media:
            media["example"] = _ANSWERS[media["example"]]
        # A word of OpenAPI 3.2, while this document is of 3.1.
        content.get("text/event-stream", {}).pop("itemSchema", None)
        told["headers"] = {**told.get("headers", {}), "X-Request-Id": _REQUEST_ID}
    return kept


def _is_foreign(response: dict[str, Any]) -> bool:
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return bool(schema.get("$ref", "").endswith(_FOREIGN))
