"""What everybody may ask a process, for the OpenAPI document: these routes are the chassis's own."""

from typing import Any

_TROUBLES = {"type": "object", "additionalProperties": {"type": "string"}}
_READY = {
    "type": "object",
    "required": ["status", "troubles"],
    "properties": {
        "status": {"enum": ["ready", "not ready"]},
        "troubles": {**_TROUBLES, "description": "why it should get no work, by name"},
        "outlasted": {**_TROUBLES, "description": "what is in trouble too, and keeps no work away"},
    },
}


def _path(operation_id: str, summary: str, description: str, responses: dict[str, Any]) -> dict[str, Any]:
    told = {"operationId": operation_id, "summary": summary, "description": description}
    return {"get": {"tags": ["health"], **told, "security": [], "responses": responses}}


def _json(description: str, schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": schema, "example": example}},
    }


HEALTH: dict[str, Any] = {
    "/health": _path(
        "getHealth",
        "Whether the process lives",
        "Touches nothing: an answer is all it says.",
        {
            "200": _json(
                "It lives",
                {
                    "type": "object",
                    "required": ["status"],
                    "properties": {"status": {"const": "alive"}},
                },
                {"status": "alive"},
            )
        },
    ),
    "/ready": _path(
        "getReadiness",
        "Whether the process should get work",
        "503 while its database is away and while it stops. A broker that is away keeps no work away: what "
        "is accepted meanwhile is kept.",
        {
            "200": _json("It should", _READY, {"status": "ready", "troubles": {}}),
            "503": _json(
                "It should not",
                _READY,
                {"status": "not ready", "troubles": {"gateway database": "no answer within 3 s"}},
            ),
        },
    ),
    "/metrics": _path(
        "getMetrics",
        "Numbers for Prometheus",
        "In the text format of Prometheus.",
        {"200": {"description": "All of them", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    ),
}
