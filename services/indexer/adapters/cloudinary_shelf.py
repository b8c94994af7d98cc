"""What Cloudinary holds in a folder: the highest image number listed, and the number in `index.txt`."""

import re
from typing import Any

import httpx
import structlog

from chassis.cloudinary_account import Account, NotFound, Refused
from chassis.cloudinary_sdk import api
from contracts import names
from contracts.limits import MAX_INDEX
from messaging.errors import Outage
from services.indexer.domain import Contents

log = structlog.get_logger("indexer")

#: The most that one listing call answers (Admin API, `max_results`).
PAGE = 500
#: Bytes of `index.txt` that are looked at; a number takes 16.
MOST_BYTES = 64

_NUMBER = re.compile(r"\s*([0-9]{1,16})\s*", re.ASCII)


class CloudinaryShelf:
    """Looks through the Admin API, which is not behind the CDN's copies: one call per 500 images
    of each kind, and one."""

    def __init__(self, account: Account, http: httpx.AsyncClient) -> None:
        self._account = account
        self._http = http

    async def look(self, folder: str) -> Contents:
        try:
            # Private images lie beside the public ones; numbers go on behind both.
            highest = max([await self._highest(folder, kind) for kind in ("upload", "authenticated")])
            return Contents(highest, await self._mirror(folder))
        except Refused as why:
            # Nothing in the question can be wrong for one folder alone: storage is set up wrong, and waits.
            raise Outage(f"Cloudinary refuses to list: {why}") from why

    async def _highest(self, folder: str, kind: str) -> int:
        highest, cursor = 0, None
        while True:
            page = await self._page(folder, kind, cursor)
            found = (names.parse_public_id(str(asset["public_id"])) for asset in page["resources"])
            highest = max([highest, *(place.index for place in found if place and _folder(place) == folder)])
            cursor = page.get("next_cursor")
            if not cursor:
                return highest

    async def _page(self, folder: str, kind: str, cursor: str | None) -> dict[str, Any]:
        # The slash matters: without it a prefix also finds the folder's longer-named neighbours.
        where = {"type": kind, "prefix": f"{folder}/", "max_results": PAGE}
        more = {"next_cursor": cursor} if cursor else {}
        return await self._account.call(api.resources, **where, **more)

    async def _mirror(self, folder: str) -> int | None:
        public_id = names.index_file(folder)
        try:
            asset = await self._account.call(api.resource, public_id, resource_type="raw")
        except NotFound:
            return None
        said = _context(asset)
        if said is None:
            said = await self._bytes(str(asset["secure_url"]))
        number = _number(said)
        if number is None:
            log.warning("index.txt holds no number; the images listed decide", folder=folder)
        return number

    async def _bytes(self, url: str) -> str:
        """The beginning of the file under its versioned URL, of which the CDN can have no older copy."""
        try:
            async with self._http.stream("GET", url) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise Outage(f"index.txt can't be read: HTTP {answer.status_code}")
                async for chunk in answer.aiter_bytes(MOST_BYTES):
                    return chunk.decode(errors="replace")
        except httpx.HTTPError as error:
            raise Outage(f"index.txt can't be read: {type(error).__name__}") from error
        return ""


def _folder(place: names.ImagePlace) -> str:
    return names.folder(place.username, place.collection, place.slug)


def _context(asset: dict[str, Any]) -> str | None:
    """The number that the uploader writes beside the file, so that reading it needs no CDN."""
    custom = (asset.get("context") or {}).get("custom") or {}
    said = custom.get("next_index")
    return None if said is None else str(said)


def _number(said: str) -> int | None:
    found = _NUMBER.fullmatch(said)
    return number if found and 1 <= (number := int(found[1])) <= MAX_INDEX else None
