"""A ZIP archive that is sent while it is made: never more of it in memory than one image.

Each image is fetched, held to what is known of its bytes, and written; what could not be had is told in the
list that ends the archive. (PKWARE's APPNOTE: sizes follow the bytes in data descriptors, so nothing is
sought back.)
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from hashlib import md5
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import urlsplit
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import httpx

from contracts.events import ImageStored
from services.gateway.domain.rebuilding import UNKNOWN_MD5

#: Bytes of the list that are kept in memory; what is beyond goes to a temporary file.
SPOOL = 1 << 20
PIECE = 1 << 16
#: Bytes of one image; a larger one is told of, but not fetched.
MAX_IMAGE = 64 << 20
LIST = "images.jsonl"


@dataclass(frozen=True)
class Item:
    """One image, with what the list says of it."""

    asset: ImageStored
    told: dict[str, Any]


class Missing(Exception):
    """The image's bytes can't be had now; the text says why."""


#: Returns the bytes of an image. Raises Missing.
Fetch = Callable[[ImageStored], Awaitable[bytes]]


class _Wire:
    """Where the archive is written to: forgets what was sent."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def sent(self) -> bytes:
        data, self._pieces = b"".join(self._pieces), []
        return data


async def archived(items: AsyncIterator[Item], fetch: Fetch) -> AsyncIterator[bytes]:
    """The archive, piece by piece."""
    wire = _Wire()
    with SpooledTemporaryFile(SPOOL) as listed, ZipFile(wire, "w", ZIP_STORED) as archive:  # type: ignore[call-overload]
        async for item in items:
            line = await _written(archive, item, fetch)
            listed.write(json.dumps(line).encode() + b"\n")
            yield wire.sent()
        listed.seek(0)
        for _ in _copied(archive, listed):
            yield wire.sent()
    yield wire.sent()


async def _written(archive: ZipFile, item: Item, fetch: Fetch) -> dict[str, Any]:
    asset = item.asset
    try:
        data = await fetch(asset)
    except Missing as why:
        return {**item.told, "file": None, "missing": str(why)}
    name = f"images/{file_name(asset)}"
    made = ZipInfo(name, asset.created_at.timetuple()[:6])
    archive.writestr(made, data)
    return {**item.told, "file": name, "missing": None}


def file_name(asset: ImageStored) -> str:
    """The image's own name, with the ending under which storage serves it."""
    return asset.name + (PurePosixPath(urlsplit(asset.url).path).suffix or ".bin")


def _copied(archive: ZipFile, listed: IO[bytes]) -> Any:
    info = ZipInfo(LIST)
    info.compress_type = ZIP_DEFLATED
    with archive.open(info, "w") as entry:
        while piece := listed.read(PIECE):
            entry.write(piece)
            yield


class StoredImages:
    """Fetches images from where storage said that they lie, and from nowhere else."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        """`http` follows no redirects."""
        self._http = http

    async def fetch(self, asset: ImageStored) -> bytes:
        """Raises Missing, also where the bytes are not those that were stored."""
        for last in (False, True):
            try:
                return _whole(asset, await self._read(asset.url))
            except httpx.HTTPError as error:
                if last:
                    raise Missing(f"storage does not answer: {type(error).__name__}") from None
        raise AssertionError("two attempts end in one of two ways")

    async def _read(self, url: str) -> bytes:
        async with self._http.stream("GET", url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise Missing(f"storage answers {answer.status_code}")
            data = bytearray()
            async for piece in answer.aiter_bytes(PIECE):
                data += piece
                if len(data) > MAX_IMAGE:
                    raise Missing(f"it has more than {MAX_IMAGE} bytes")
        return bytes(data)


def _whole(asset: ImageStored, data: bytes) -> bytes:
    if asset.md5 not in (UNKNOWN_MD5, md5(data, usedforsecurity=False).hexdigest()):
        raise Missing("storage answers with other bytes than were stored")
    return data
