"""Where finished bytes lie between renderer and uploader: written once, read, removed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from chassis.blob_keys import Check, blob_key
from chassis.blobs_folder import open_folder
from chassis.blobs_s3 import open_s3
from chassis.blobs_s3_place import Login, place_of
from chassis.settings import BadSettings, Settings, Url

__all__ = ["BlobSettings", "Blobs", "Check", "Login", "blob_key", "open_blobs"]


class Blobs(Protocol):
    """Bytes by key. Every method raises Outage where the store can't answer or can't write, and
    PermanentError for what is no key of ours: a message that names one is hopeless."""

    async def put(self, key: str, data: bytes) -> None:
        """Keeps the bytes for good before it returns; the same key again is the same bytes."""
        ...

    async def get(self, key: str, check: Check | None = None) -> bytes | None:
        """The bytes, None where there are none under this key. `check` sees them first, in a thread, since to
        look at millions of bytes takes milliseconds; what it raises is raised."""
        ...

    async def remove(self, key: str) -> None:
        """Nothing lies under the key afterwards."""
        ...

    def keys(self) -> AsyncIterator[tuple[str, float]]:
        """Every key with its age in seconds, in no promised order."""
        ...

    async def tidy(self, older_than: float) -> int:
        """Removes what writes and probes left behind that were interrupted at least that many seconds ago;
        how many."""
        ...

    async def trouble(self) -> str | None:
        """Why the store can't be used now, None if it can. Writes nothing."""
        ...

    async def probe(self) -> None:
        """Writes a few bytes that no listing shows, reads them back and removes them. Raises Outage with
        what did not work."""
        ...


class BlobSettings(Settings):
    """What whoever uses the blob store has to be told."""

    blobs_url: Url = Field(
        description="where finished bytes wait for the uploader: `file:FOLDER`, or "
        "`s3://bucket/prefix?endpoint=URL&region=NAME`"
    )
    aws_access_key_id: str | None = Field(None, description="access key, where `BLOBS_URL` is `s3:`")
    aws_secret_access_key: SecretStr | None = Field(
        None, description="its secret, where `BLOBS_URL` is `s3:`"
    )

    def login(self) -> Login | None:
        """None unless both halves are set."""
        if self.aws_access_key_id and self.aws_secret_access_key:
            return Login(self.aws_access_key_id, self.aws_secret_access_key)
        return None


@asynccontextmanager
async def open_blobs(url: str, login: Login | None = None) -> AsyncIterator[Blobs]:
    """`file:` and a folder, relative or absolute, which is made; or `s3:` and a bucket, which must be there.

    A store that is away at the moment is opened all the same. Raises BadSettings, without any secret, where
    the URL can't be used, or the bucket or the login is refused.
    """
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        raise BadSettings("BLOBS_URL is not a URL; set file:FOLDER or s3://bucket/prefix") from None
    if scheme == "file":
        async with open_folder(url) as folder:
            yield folder
    elif scheme == "s3":
        async with open_s3(place_of(url), login) as bucket:
            yield bucket
    else:
        raise BadSettings(
            f"BLOBS_URL begins with {scheme or 'nothing'}:, but file:FOLDER and s3://bucket/prefix are what "
            "is known"
        )
