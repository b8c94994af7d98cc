"""Where the next page begins, in one word that means nothing to whoever carries it."""

import base64
import binascii
import json
import re
from typing import Annotated

from fastapi import Query, Request

from services.gateway.adapters.http.codes import CODES
from services.gateway.adapters.http.problems import Problem

#: The longest id has 256 characters, each of which JSON and base64 may make sixteen of.
MAX_CURSOR = 5000

#: What no database stores: NUL, and halves of a character.
_UNASKABLE = re.compile("[\0\ud800-\udfff]")

Limit = Annotated[int, Query(ge=1, le=200, description="items of one page")]
Cursor = Annotated[str | None, Query(max_length=MAX_CURSOR, description="`next_cursor` of the page before")]


def written(*parts: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read(cursor: str, parts: int) -> list[str]:
    """What was written. Raises Problem for anything else."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        known = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise not_ours() from None
    if not isinstance(known, list) or len(known) != parts or written(*map(str, known)) != cursor:
        raise not_ours()
    if _UNASKABLE.search("".join(known)):
        raise not_ours()
    return known


def not_ours() -> Problem:
    return Problem("invalid_cursor", CODES["invalid_cursor"].example)


def link(request: Request, cursor: str) -> str:
    """The `Link` header of a page that has a next one (RFC 8288)."""
    following = request.url.include_query_params(cursor=cursor)
    return f'<{following.path}?{following.query}>; rel="next"'
