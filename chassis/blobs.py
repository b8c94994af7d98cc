"""Where finished bytes lie between renderer and uploader: written once, read, removed."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from messaging.errors import Outage

P = ParamSpec("P")
T = TypeVar("T")

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}/[0-9]{1,4}/[0-9]{1,7}-[0-9a-f]{32}", re.ASCII)
_WRITING = ".writing-"


class Blobs(Protocol):
    """Bytes by key. Every method raises Outage where the store can't answer or can't write."""

    async def put(self, key: str, data: bytes) -> None:
        """Keeps the bytes for good before it returns; the same key again is the same bytes."""
        ...

    async def get(self, key: str) -> bytes | None:
        """The bytes, None where there are none under this key."""
        ...

    async def remove(self, key: str) -> None:
        """Nothing lies under the key afterwards."""
        ...

    def keys(self) -> AsyncIterator[tuple[str, float]]:
        """Every key with its age in seconds, in no promised order."""
        ...

    async def tidy(self, older_than: float) -> int:
        """Removes what writes left behind that were interrupted at least that many seconds ago; how many."""
        ...


def blob_key(batch_id: str, ordinal: int, round_: int, md5: str) -> str:
    return f"{batch_id}/{ordinal}/{round_}-{md5}"


@asynccontextmanager
async def open_blobs(url: str) -> AsyncIterator[Blobs]:
    """`file:` and a folder, relative or absolute. Raises ValueError for anything else."""
    parts = urlsplit(url)
    if parts.scheme != "file" or not (path := unquote(parts.netloc + parts.path)):
        raise ValueError(
            f"BLOBS_URL begins with {parts.scheme or 'nothing'}:, but file:FOLDER is what is known"
        )
    yield FolderBlobs(Path(path))


class FolderBlobs:
    """A folder, local or shared; a file appears under its key only once its bytes are on the disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, key: str, data: bytes) -> None:
        await _outside(self._put, self._path(key), data)

    async def get(self, key: str) -> bytes | None:
        return await _outside(_read, self._path(key))

    async def remove(self, key: str) -> None:
        await _outside(_remove, self._path(key))

    async def keys(self) -> AsyncIterator[tuple[str, float]]:
        for entry in await _outside(self._list):
            yield entry

    async def tidy(self, older_than: float) -> int:
        return await _outside(self._tidy, older_than)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError("a blob's key is {batch_id}/{ordinal}/{round}-{md5}")
        return self._root / key

    def _put(self, path: Path, data: bytes) -> None:
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{_WRITING}{uuid4()}")
        try:
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        # The name must outlive a power cut as surely as the bytes do.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _list(self) -> list[tuple[str, float]]:
        now = time.time()
        files = (path for path in self._root.glob("*/*/*") if not path.name.startswith(_WRITING))
        return [
            (path.relative_to(self._root).as_posix(), age)
            for path in files
            if (age := _age(path, now)) is not None
        ]

    def _tidy(self, older_than: float) -> int:
        now = time.time()
        drafts = self._root.glob(f"*/*/{_WRITING}*")
        old = [path for path in drafts if (age := _age(path, now)) is not None and age >= older_than]
        for path in old:
            _remove(path)
        return len(old)


async def _outside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Disk work in a thread; a disk that refuses is an outage, not a failed image."""
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except OSError as error:
        raise Outage(f"blob store: {error.strerror or error}") from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    for folder in (path.parent, path.parent.parent):
        with suppress(OSError):  # another image of the batch still lies there
            folder.rmdir()


def _age(path: Path, now: float) -> float | None:
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return None
