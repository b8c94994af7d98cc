"""Every code that a problem may have: its status, and what it sounds like. Programs may rely on them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from contracts import acceptance

# The names of RFC 9110; older Pythons have older ones.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


class Code(NamedTuple):
    """What a code means."""

    status: int
    #: A detail as one may read it.
    example: str


CODES: Mapping[str, Code] = {
    "invalid_json": Code(400, "the body is not JSON that can be read; send JSON in UTF-8"),
    "invalid_cursor": Code(400, "this is not a next_cursor of ours; begin without one"),
    "invalid_idempotency_key": Code(400, "an Idempotency-Key has 1 to 255 printable ASCII characters"),
    "invalid_preference": Code(400, "write Prefer: wait=N with N in whole seconds"),
    "unauthorized": Code(401, "the token has expired; get a new one"),
    "forbidden": Code(403, "this user can't own a folder: a username of 'v' and digits would be a version"),
    "not_found": Code(404, "there is no such thing"),
    "method_not_allowed": Code(405, "Method Not Allowed"),
    "not_acceptable": Code(406, "events come as text/event-stream; let Accept allow that"),
    "slug_taken": Code(409, "there is a character 'opal-fever' already; choose another name"),
    "batch_canceling": Code(409, "the batch is being cancelled; retry once it is"),
    "nothing_to_retry": Code(409, "nothing here failed, was cancelled or is a placeholder"),
    "idempotency_key_in_use": Code(409, "the first call under this key is under way; ask again then"),
    "not_stored": Code(409, "nothing of this image lies in storage"),
    "name_taken": Code(409, "there is a collection 'Covers' already; choose another name"),
    "too_many_webhooks": Code(409, "one may have 20 webhooks about everything; remove one"),
    "owners_secret": Code(409, "this webhook has no secret of its own; rotate /v1/webhook-secret"),
    "webhook_disabled": Code(409, "the webhook is disabled; enable it first"),
    "body_too_slow": Code(408, "a body has to arrive within 30 seconds"),
    "content_too_large": Code(413, "a body has at most 1048576 bytes"),
    "unsupported_media_type": Code(415, "send JSON, with Content-Type: application/json"),
    "invalid_request": Code(422, "the request is not what is expected here; see errors"),
    "invalid_character": Code(422, "the character's name needs at least one Latin letter or digit"),
    "invalid_webhook": Code(422, "the webhook's URL is not an address that begins with https://"),
    "batch_id_reuse": Code(422, "this id names a batch that asks for something else; choose another id"),
    "idempotency_key_reuse": Code(422, "this key was used for another body; choose a new key"),
    **{code: Code(422, "what is asked for can't be made") for code in acceptance.CODES},
    "too_many_streams": Code(429, "100 streams of this user are open; close one, or look again later"),
    "too_many_exports": Code(429, "an export is being sent; ask again when it has ended"),
    "too_many_downloads": Code(429, "6 images are being sent to this user; ask again when one has ended"),
    "too_many_images": Code(429, "1998 of 2000 images are outstanding; 8 more have to wait until some end"),
    "too_many_batches": Code(429, "120 batches were asked for in the last minute; at most 120 may be"),
    "internal_error": Code(500, "something here is broken; it was logged"),
    "all_images_failed": Code(502, "no image was made"),
    "queue_full": Code(503, "100000 images of everybody wait; come back later"),
    "unavailable": Code(503, "a part of the system is down; try again in a moment"),
}

#: What any call may be answered with, and any call that has a body.
ANY_CALL = ("unauthorized", "forbidden", "internal_error", "unavailable")
ANY_BODY = ("invalid_json", "body_too_slow", "content_too_large", "unsupported_media_type", "invalid_request")
ANY_LOAD = ("too_many_images", "queue_full")
ANY_ORDER = (
    *ANY_BODY,
    "invalid_preference",
    "not_found",
    *sorted(acceptance.CODES),
    *ANY_LOAD,
    "too_many_batches",
)
ANY_KEY = ("invalid_idempotency_key", "idempotency_key_in_use", "idempotency_key_reuse")

#: Headers that come with some statuses.
_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "how to prove who one is (RFC 6750)"},
    409: {"Retry-After": "seconds, where waiting helps"},
    429: {
        "Retry-After": "seconds",
        "RateLimit-Policy": "the limit that was met: `q` of them, in `w` seconds if they are counted in time",
        "RateLimit": "what is left of it (draft-ietf-httpapi-ratelimit-headers)",
    },
    503: {"Retry-After": "seconds"},
}


def title_of(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase


def answers(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems, for the OpenAPI document."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for code in sorted({*ANY_CALL, *codes}):
        status = CODES[code].status
        told = by_status.setdefault(status, _response(status))
        told["content"]["application/problem+json"]["examples"][code] = {"value": _example(code)}
    return by_status


def _response(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        "description": title_of(status),
        "content": {"application/problem+json": {"schema": schema, "examples": {}}},
        "headers": {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in _HEADERS.get(status, {}).items()
        },
    }


def _example(code: str) -> dict[str, Any]:
    status, detail = CODES[code]
    return {
        "type": "about:blank",
        "title": title_of(status),
        "status": status,
        "detail": detail,
        "instance": "/v1/…",
        "code": code,
        "request_id": "req_00000000000000000000000000000000",
    }
