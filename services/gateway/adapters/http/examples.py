"""One story that the OpenAPI document tells: two images of Opal Fever, one of which could not be made."""

from typing import Any

from pydantic.config import JsonDict

from chassis.cloudinary_delivery import WIDTHS, thumbnail_url

_HEADERS = {
    "Location": ("where the thing is", "/v1/batches/bat_0b6c0f3e5d0c4f0e8a37c1c3a1b2c3d4"),
    "Retry-After": ("seconds after which it is worth to look again", "2"),
    "Preference-Applied": ("what was granted of `Prefer`", "wait=60"),
    "Link": ("the next page", '</v1/batches?cursor=WyJhIl0>; rel="next"'),
}

_URL = "https://res.cloudinary.com/demo/image/upload/v1/Areg/premade_characters/opal-fever/images"
_FOLDER = "Areg/premade_characters/opal-fever/images"
_NAME = "Areg_opal-fever_image_"
_BATCH_ID = "bat_0b6c0f3e5d0c4f0e8a37c1c3a1b2c3d4"
_HERE = f"/v1/batches/{_BATCH_ID}"
_AT = "2030-01-02T03:04:05Z"
_REASON = "a model that the workflow names is not installed"
_PROMPT = "portrait in opal light, silver hair"

IMAGE_ID = f"{_BATCH_ID}.0"
NEW_CHARACTER: JsonDict = {"name": "Opal Fever", "embedding": "opal_fever", "style": "noir"}
_CHARACTER_ID = "chr_5d41402abc4b2a76b9719d91"
CHARACTER = {
    "id": _CHARACTER_ID,
    "name": "Opal Fever",
    "slug": "opal-fever",
    "collection": "premade_characters",
    "owner": "Areg",
    "premade": True,
    "private": False,
    "embedding": "opal_fever",
    "style": "noir",
    "created_at": _AT,
}

NEW_BATCH: JsonDict = {"prompt": _PROMPT, "quantity": 2, "seed": 42, "parameters": {"steps": 30}}
NEW_NAMED_BATCH: JsonDict = {**NEW_BATCH, "character_id": _CHARACTER_ID}
RETRY: JsonDict = {"ordinals": [1]}

SUMMARY: dict[str, Any] = {
    "id": _BATCH_ID,
    "status": "partially_succeeded",
    "character": {"id": _CHARACTER_ID, "name": "Opal Fever"},
    "prompt": _PROMPT,
    "quantity": 2,
    "indexes": {"first": 7, "last": 8},
    "created_at": _AT,
    "started_at": "2030-01-02T03:04:06Z",
    "completed_at": "2030-01-02T03:04:25Z",
    "urls": {"self": _HERE, **{name: f"{_HERE}/{name}" for name in ("events", "cancel", "retry")}},
}


def _image(ordinal: int, **ended: Any) -> dict[str, Any]:
    index = 7 + ordinal
    return {
        "id": f"{_BATCH_ID}.{ordinal}",
        "ordinal": ordinal,
        "index": index,
        "moved_from": None,
        "round": 1,
        "name": f"{_NAME}{index}",
        "stage": None,
        "step": None,
        "steps": None,
        "ahead": None,
        "url": f"{_URL}/{_NAME}{index}.png",
        "thumbnail": thumbnail_url(f"{_URL}/{_NAME}{index}.png", WIDTHS[1]),
        "favourite": False,
        "public_id": f"{_FOLDER}/{_NAME}{index}",
        "content_type": "image/png",
        "width": 1024,
        "height": 1536,
        "hash": "9e107d9d372bb6826bd81d3542a419d6",
        "seed": 42 + ordinal,
        "used_embedding": True,
        "backend": "pod-1",
        "queue_ms": 1200,
        "gpu_ms": 8400,
        "created_at": _AT,
        **ended,
    }


BATCH: dict[str, Any] = {
    **SUMMARY,
    "negative_prompt": "",
    "width": 1024,
    "height": 1536,
    "seed": 42,
    "style": "noir",
    "workflow": "portrait",
    "parameters": {"steps": 30},
    "on_failure": "placeholder",
    "folder": _FOLDER,
    "ahead": None,
    "queue_position": None,
    "progress": {"value": 1.0, "done": 2, "total": 2},
    "images": [
        _image(0, status="succeeded", placeholder=False, error=None),
        _image(
            1,
            status="placeholder",
            placeholder=True,
            error={"code": "missing_model", "detail": _REASON, "retryable": True},
        ),
    ],
    "metrics": {"queue_ms": 1200, "gpu_ms": 16800},
    "error": None,
}

GENERATE: JsonDict = {
    "characterId": _CHARACTER_ID,
    "prompt": _PROMPT,
    "quantity": 2,
    "width": 1024,
    "height": 1536,
    "negativePrompt": "blurry",
    "seed": 42,
}
_MADE = [f"{_URL}/{_NAME}{index}.png" for index in (8, 7)]
GENERATED = {
    "success": True,
    "data": {
        "imageUrl": _MADE[0],
        "imageUrls": _MADE,
        "generatedCount": 1,
        "usedEmbedding": True,
        "prompt": _PROMPT,
        "style": "noir",
        "batchId": _BATCH_ID,
        "images": [
            {
                "index": index,
                "url": url,
                "publicId": f"{_FOLDER}/{_NAME}{index}",
                "status": status,
                "placeholder": status == "placeholder",
                "error": reason,
            }
            for index, url, status, reason in (
                (8, _MADE[0], "placeholder", _REASON),
                (7, _MADE[1], "succeeded", None),
            )
        ],
    },
}
ACCEPTED = {"success": True, "data": {"batchId": _BATCH_ID, "statusUrl": _HERE}}
GALLERY = {
    "success": True,
    "data": {
        "images": [
            {
                "url": url,
                "publicId": f"{_FOLDER}/{_NAME}{index}",
                "createdAt": _AT,
                "filename": f"{_NAME}{index}",
            }
            for index, url in ((8, _MADE[0]), (7, _MADE[1]))
        ],
        "totalCount": 2,
        "characterId": _CHARACTER_ID,
    },
}


def _page(item: dict[str, Any]) -> dict[str, Any]:
    return {"items": [item], "next_cursor": None, "has_more": False}


WORKFLOWS = {
    "items": [
        {
            "name": "portrait",
            "title": "Text to image with an SDXL checkpoint",
            "parameters": [{"name": "steps", "type": "int", "min": 1, "max": 150, "choices": []}],
            "styles": ["anime", "noir"],
            "sizes": {"min": 64, "max": 4096, "multiple_of": 8},
            "max_quantity": 1000,
        }
    ]
}

#: By name, because FastAPI takes every null out of what it is given; the document puts the whole ones in.
ANSWERS = {
    "accepted": ACCEPTED,
    "batch": BATCH,
    "batches": _page(SUMMARY),
    "character": CHARACTER,
    "characters": _page(CHARACTER),
    "gallery": GALLERY,
    "generated": GENERATED,
    "workflows": WORKFLOWS,
}


def answer(description: str, example: str, *headers: str) -> dict[str, Any]:
    """A good answer in a route's `responses`, with one of ANSWERS."""
    told = {name: _HEADERS[name] for name in headers}
    return {
        "description": description,
        "content": {"application/json": {"example": example}},
        "headers": {
            name: {"description": text, "schema": {"type": "string"}, "example": value}
            for name, (text, value) in told.items()
        },
    }
