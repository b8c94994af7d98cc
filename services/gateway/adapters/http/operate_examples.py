"""What the OpenAPI document tells of operating: one renderer, and a message that it could not handle."""

from typing import Any

from pydantic.config import JsonDict

from services.gateway.adapters.http.examples import SUMMARY

_AT = "2030-01-02T03:04:05Z"
_REASON = "PermanentError: batch 'bat_1' is known with other content"
DEAD_LETTER_ID = "renderer.IndicesReserved:8b6f1c3e-5d0c-4f0e-8a37-c1c3a1b2c3d4"
CHOSEN: JsonDict = {"ids": [DEAD_LETTER_ID]}

_DEAD_LETTER: dict[str, Any] = {
    "id": DEAD_LETTER_ID,
    "queue": "renderer.IndicesReserved",
    "route": "IndicesReserved.v1",
    "batch_id": SUMMARY["id"],
    "reason": _REASON,
    "died_at": _AT,
    "first_seen": "2030-01-02T02:04:05Z",
    "attempts": 1,
    "earlier": [{"at": "2030-01-02T02:04:05Z", "reason": _REASON, "attempts": 1}],
    "bytes": 812,
}
_OVERVIEW: dict[str, Any] = {
    "at": _AT,
    "images": {
        "outstanding": 16,
        "last_5_minutes": 30,
        "last_hour": 342,
        "per_minute_of_5": 6.0,
        "per_minute_of_60": 5.7,
        "placeholders_last_hour": 2,
        "failed_last_hour": 1,
    },
    "failures": [{"code": "missing_model", "count": 3}],
    "in_flight": 2,
    "dead_letters": 1,
    "queues": [
        {"name": "renderer.IndicesReserved", "waiting": 0, "dead_letters": 1},
        {"name": "wait.1s", "waiting": 0, "dead_letters": None},
    ],
    "processes": [
        {
            "service": "renderer",
            "instance": "renderer-5d9c7-x2x4q",
            "ready": True,
            "reason": None,
            "in_flight": 2,
            "silent": False,
            "seconds_ago": 1.5,
        }
    ],
    "backends": [
        {
            "name": "comfyui+http://10.0.4.7:8188",
            "healthy": True,
            "reason": None,
            "depth": 2,
            "busy": 2,
            "seconds_per_image": 8.25,
            "embeddings": ["opal_fever_v2"],
            "renderers": 1,
            "healthy_for": 1,
        }
    ],
}
ANSWERS = {
    "overview": _OVERVIEW,
    "dead_letters": {"items": [_DEAD_LETTER], "has_more": False},
    "dead_letter": {
        **_DEAD_LETTER,
        "headers": {"id": "0b6c0f3e-5d0c-5f0e-8a37-c1c3a1b2c3d4", "x-attempt": 1, "x-last-error": _REASON},
        "body": '{"batch_id": "bat_0b6c0f3e5d0c4f0e8a37c1c3a1b2c3d4"}',
        "truncated": False,
    },
    "settled": {"items": [{"id": DEAD_LETTER_ID, "status": "done"}]},
}
