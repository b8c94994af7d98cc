"""Blobs in a bucket of an S3-compatible store."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from uuid import uuid4

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import S3Store

from chassis.blob_keys import Check, checked_key, is_blob_key
from chassis.blobs_s3_answers import Refused, judged
from chassis.blobs_s3_place import Login, Place
from chassis.settings import BadSettings
from messaging.errors import Outage

log = structlog.get_logger("blobs")

#: Bytes of an object that exist twice while it is read: in the client's buffer and in ours.
_CHUNK = 1 << 20
_PROBES = ".probe"
_PROBE = b"darkroom"
#: What the client raises; a missing object or bucket is a FileNotFoundError.
_ERRORS = (BaseError, OSError, ValueError)


@dataclass(frozen=True)
class Patience:
    """Seconds to connect and to be answered whole; how often what failed sooner is asked again at once, so
    that a single `503 SlowDown` is no outage."""

    connect: float = 5.0
    answer: float = 60.0
    retries: int = 2
    retrying: float = 10.0


class S3Blobs:
    """Objects under a prefix. Each is put in one request, which either made it whole or did not: nothing is
    ever half written, nor has parts to be swept up. A key is always the same bytes, so that a put which is
    repeated, or which arrives after it was given up, changes nothing.
    """

    def __init__(self, store: S3Store, place: str) -> None:
        self._store = store
        self._place = place

    async def put(self, key: str, data: bytes) -> None:
        await self._write(checked_key(key), data)

    async def get(self, key: str, check: Check | None = None) -> bytes | None:
        data = await self._read(checked_key(key))
        if check is not None and data is not None:
            await asyncio.to_thread(check, data)
        return data

    async def remove(self, key: str) -> None:
        await self._delete(checked_key(key))

    async def keys(self) -> AsyncIterator[tuple[str, float]]:
        async for name, age in self._list():
            if is_blob_key(name):
                yield name, age

    async def tidy(self, older_than: float) -> int:
        left = [name async for name, age in self._list(_PROBES) if age >= max(older_than, 0.0)]
        for name in left:
            await self._delete(name)
        return len(left)

    async def trouble(self) -> str | None:
        # An object that is never there: to be told so takes the bucket, the login and the right to list.
        try:
            await self._read(f"{_PROBES}/none")
        except Outage as why:
            return str(why)
        return None

    async def probe(self) -> None:
        name = f"{_PROBES}/{uuid4()}"
        await self._write(name, _PROBE)
        try:
            if await self._read(name) != _PROBE:
                raise Outage(f"blob store {self._place}: what was written does not come back")
        finally:
            await self._delete(name)

    async def _write(self, name: str, data: bytes) -> None:
        try:
            await obstore.put_async(self._store, name, data, use_multipart=False)
        except _ERRORS as error:
            raise self._outage(error) from None

    async def _read(self, name: str) -> bytes | None:
        held = BytesIO()
        try:
            found = await obstore.get_async(self._store, name)
            async for chunk in found.stream(min_chunk_size=_CHUNK):
                held.write(chunk)
        except _ERRORS as error:
            if why := judged(str(error), self._place):
                raise why from None
            return None
        # Not `bytes(...)` of what the client holds, which would be a second whole copy.
        return held.getvalue()

    async def _delete(self, name: str) -> None:
        try:
            await obstore.delete_async(self._store, name)
        except _ERRORS as error:
            if why := judged(str(error), self._place):
                raise why from None

    async def _list(self, folder: str | None = None) -> AsyncIterator[tuple[str, float]]:
        """Name and age, by this machine's clock; a page of names is held at a time."""
        try:
            async for page in obstore.list(self._store, folder):
                now = time.time()
                for each in page:
                    yield each["path"], max(now - each["last_modified"].timestamp(), 0.0)
        except _ERRORS as error:
            raise self._outage(error) from None

    def _outage(self, error: Exception) -> Outage:
        return judged(str(error), self._place) or Outage(f"blob store {self._place}: nothing there")


@asynccontextmanager
async def open_s3(
    place: Place, login: Login | None, patience: Patience | None = None
) -> AsyncIterator[S3Blobs]:
    """Raises BadSettings where there is no login, or where the store refuses it or knows no such bucket."""
    if login is None:
        raise BadSettings("BLOBS_URL is s3:, so AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set")
    with _without_environment():
        store = _store(place, login, patience or Patience())
    blobs = S3Blobs(store, str(place))
    try:
        await blobs._read(f"{_PROBES}/none")
    except Refused as why:
        raise BadSettings(f"BLOBS_URL: {why}") from None
    except Outage as why:
        log.warning("waits for the blob store", reason=str(why))
    yield blobs


def _store(place: Place, login: Login, patience: Patience) -> S3Store:
    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        config={
            "access_key_id": login.access_key_id,
            "secret_access_key": login.secret_access_key.get_secret_value(),
            "region": place.region,
            # Other stores know a bucket by its path; Amazon by its host name, which a dot would break.
            "virtual_hosted_style_request": place.endpoint is None and "." not in place.bucket,
            # The call for many deletions at once is not known to every store.
            "disable_bulk_delete": True,
            **({"endpoint": place.endpoint} if place.endpoint else {}),
        },
        client_options={
            "allow_http": bool(place.endpoint and place.endpoint.startswith("http:")),
            "connect_timeout": timedelta(seconds=patience.connect),
            "timeout": timedelta(seconds=patience.answer),
        },
        retry_config={
            "max_retries": patience.retries,
            "retry_timeout": timedelta(seconds=patience.retrying),
            "backoff": {
                "init_backoff": timedelta(seconds=0.1),
                "max_backoff": timedelta(seconds=1),
                "base": 2,
            },
        },
    )


@contextmanager
def _without_environment() -> Iterator[None]:
    """The client takes every `AWS_…` variable for an option, `AWS_SKIP_SIGNATURE` among them, and proxies for
    its own. What a process is told, it is told by its settings."""
    hidden = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.upper().startswith("AWS_") or name.lower().endswith("_proxy")
    }
    try:
        yield
    finally:
        os.environ.update(hidden)
