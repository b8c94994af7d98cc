"""The story of the OpenAPI document, told to a webhook."""

from typing import Any

from pydantic.config import JsonDict

from services.gateway.adapters.http.examples import BATCH

_AT = "2030-01-02T03:04:25Z"
_ID = "wh_5f0c7d1e9a2b4c6d8e0f1a2b3c4d5e6f"
_DELIVERY_ID = "msg_0b9d6a52c1e84f7fb5f0a1c2d3e4f506"
_URL = "https://example.com/hooks/darkroom"

NEW_WEBHOOK: JsonDict = {"url": _URL, "events": ["batch.completed", "image.failed"], "description": "shop"}
CHANGE: JsonDict = {"enabled": True}

WEBHOOK: dict[str, Any] = {
    "id": _ID,
    "url": _URL,
    "events": ["batch.completed", "image.failed"],
    "description": "shop",
    "batch_id": None,
    "enabled": True,
    "disabled_reason": None,
    "disabled_at": None,
    "failing_since": None,
    "created_at": _AT,
    "urls": {
        "self": f"/v1/webhooks/{_ID}",
        "deliveries": f"/v1/webhooks/{_ID}/deliveries",
        "test": f"/v1/webhooks/{_ID}/test",
        "rotate_secret": f"/v1/webhooks/{_ID}/rotate-secret",
    },
}
_SECRET = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
SECRET = {"secret": _SECRET, "also_signing_until": ["2030-01-03T03:04:25Z"]}

_SAME = ("id", "status", "character", "quantity", "indexes", "created_at", "urls")
_NEWS = {name: BATCH[name] for name in _SAME}
BATCH_NEWS: dict[str, Any] = {
    **_NEWS,
    "round": 1,
    "started_at": BATCH["started_at"],
    "completed_at": BATCH["completed_at"],
    "succeeded": 1,
    "placeholders": 1,
    "failed": 0,
    "canceled": 0,
    "images": [
        {
            "id": image["id"],
            "index": image["index"],
            "status": image["status"],
            "url": image["url"],
            "error": image["error"] and image["error"]["code"],
        }
        for image in BATCH["images"]
    ],
    "error": None,
}
START_NEWS = {
    **BATCH_NEWS,
    "status": "queued",
    "started_at": None,
    "completed_at": None,
    "succeeded": 0,
    "placeholders": 0,
    "images": [
        {"id": image["id"], "index": image["index"], "status": "queued", "url": None, "error": None}
        for image in BATCH["images"]
    ],
}


def _image_news(ordinal: int) -> dict[str, Any]:
    image = BATCH["images"][ordinal]
    return {
        **image,
        "batch_id": BATCH["id"],
        "character_id": BATCH["character"]["id"],
        "urls": {"self": f"/v1/images/{image['id']}", "batch": f"/v1/batches/{BATCH['id']}"},
    }


_GONE = {"status": "deleted", **dict.fromkeys(("url", "thumbnail", "public_id", "content_type", "hash"))}
#: `data` of each event.
TOLD: dict[str, dict[str, Any]] = {
    "batch.started": START_NEWS,
    "batch.completed": BATCH_NEWS,
    "image.completed": _image_news(0),
    "image.failed": _image_news(1),
    "image.deleted": {**_image_news(0), **_GONE, "width": None, "height": None},
    "webhook.test": {"webhook_id": _ID},
}


def event(word: str) -> dict[str, Any]:
    return {"type": word, "timestamp": _AT, "data": TOLD[word]}


DELIVERY: dict[str, Any] = {
    "id": _DELIVERY_ID,
    "type": "batch.completed",
    "batch_id": BATCH["id"],
    "status": "delivered",
    "created_at": _AT,
    "delivered_at": "2030-01-02T03:04:31Z",
    "next_attempt_at": None,
    "attempts": [
        {
            "at": _AT,
            "status_code": None,
            "latency_ms": 20_000,
            "error": "no answer within 20 s",
            "response": None,
        },
        {"at": "2030-01-02T03:04:31Z", "status_code": 204, "latency_ms": 85, "error": None, "response": ""},
    ],
    "urls": {
        "self": f"/v1/webhooks/{_ID}/deliveries/{_DELIVERY_ID}",
        "redeliver": f"/v1/webhooks/{_ID}/deliveries/{_DELIVERY_ID}/redeliver",
    },
}


def _page(item: dict[str, Any]) -> dict[str, Any]:
    return {"items": [item], "next_cursor": None, "has_more": False}


ANSWERS: dict[str, Any] = {
    "webhook": WEBHOOK,
    "new webhook": {**WEBHOOK, "secret": _SECRET},
    "webhooks": _page(WEBHOOK),
    "webhook secret": SECRET,
    "delivery": DELIVERY,
    "whole delivery": {**DELIVERY, "body": event("batch.completed")},
    "deliveries": _page(DELIVERY),
}
