"""The same story for images, collections and usage in the OpenAPI document."""

from typing import Any

from pydantic.config import JsonDict

from chassis.cloudinary_delivery import WIDTHS, thumbnail_url
from services.gateway.adapters.http.examples import BATCH, IMAGE_ID, SUMMARY

COLLECTION_ID = "col_4e0b1f9d7c6a4f3f9d8f2a1c0b9e8d7c"
MARK: JsonDict = {"favourite": True}
BULK: JsonDict = {"action": "favourite", "ids": [IMAGE_ID]}
NEW_COLLECTION: JsonDict = {"name": "Covers"}
MEMBERS: JsonDict = {"ids": [IMAGE_ID]}

_FIRST: dict[str, Any] = BATCH["images"][0]
PICTURE = {
    **_FIRST,
    "favourite": True,
    "batch_id": SUMMARY["id"],
    "character": SUMMARY["character"],
    "collections": [COLLECTION_ID],
    "thumbnails": {str(width): thumbnail_url(_FIRST["url"], width) for width in WIDTHS},
    "settings": {
        name: BATCH[name]
        for name in ("prompt", "negative_prompt", "width", "height", "workflow", "style", "parameters")
    }
    | {"seed": 42},
    "urls": {"self": f"/v1/images/{IMAGE_ID}", "batch": f"/v1/batches/{SUMMARY['id']}"},
}
COLLECTION = {
    "id": COLLECTION_ID,
    "name": "Covers",
    "images": 1,
    "created_at": SUMMARY["created_at"],
    "urls": {
        "self": f"/v1/collections/{COLLECTION_ID}",
        "images": f"/v1/collections/{COLLECTION_ID}/images",
    },
}
_USED = {"images": 7, "placeholders": 1, "failures": 0, "canceled": 0, "gpu_seconds": 58.8}
_PAGE = {"next_cursor": None, "has_more": False}

ANSWERS = {
    "picture": PICTURE,
    "pictures": {"items": [PICTURE], **_PAGE},
    "marked": {"items": [{"id": IMAGE_ID, "status": "favourite"}]},
    "collection": COLLECTION,
    "collections": {"items": [COLLECTION], **_PAGE},
    "usage": {
        "first": "2030-01-01",
        "last": "2030-01-31",
        "total": _USED,
        "items": [{"day": "2030-01-02", "character_id": SUMMARY["character"]["id"], **_USED}],
    },
}
