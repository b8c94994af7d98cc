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
    "invalid_preference": Code(400, "write Prefer: wait=N with N in whole seconds"),
    "unauthorized": Code(401, "the token has expired; get a new one"),
    "forbidden": Code(403, "this user can't own a folder: a username of 'v' and digits would be a version"),
    "not_found": Code(404, "there is no such thing"),
    "method_not_allowed": Code(405, "Method Not Allowed"),
    "slug_taken": Code(409, "there is a character 'opal-fever' already; choose another name"),
    "batch_canceling": Code(409, "the batch is being cancelled; retry once it is"),
    "nothing_to_retry": Code(409, "nothing here failed, was cancelled or is a placeholder"),
    "not_stored": Code(409, "nothing of this image lies in storage"),
    "name_taken": Code(409, "there is a collection 'Covers' already; choose another name"),
    "content_too_large": Code(413, "a body has at most 1048576 bytes"),
    "unsupported_media_type": Code(415, "send JSON, with Content-Type: application/json"),
    "invalid_request": Code(422, "the request is not what is expected here; see errors"),
    "invalid_character": Code(422, "the character's name needs at least one Latin letter or digit"),
    "batch_id_reuse": Code(422, "this id names a batch that asks for something else; choose another id"),
    **{code: Code(422, "what is asked for can't be made") for code in acceptance.CODES},
    "too_many_streams": Code(429, "100 streams of this user are open; close one, or look again later"),
    "internal_error": Code(500, "something here is broken; it was logged"),
    "all_images_failed": Code(502, "no image was made"),
    "unavailable": Code(503, "a part of the system is down; try again in a moment"),
}

#: What any call may be answered with, and any call that has a body.
ANY_CALL = ("unauthorized", "forbidden", "internal_error", "unavailable")
ANY_BODY = ("invalid_json", "content_too_large", "unsupported_media_type", "invalid_request")
ANY_ORDER = (*ANY_BODY, "invalid_preference", "not_found", *sorted(acceptance.CODES))

#: Headers that come with some statuses.
_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "how to prove who one is (RFC 6750)"},
    429: {"Retry-After": "seconds"},
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
