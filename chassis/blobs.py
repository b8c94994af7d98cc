"""Where finished bytes lie between renderer and uploader: written once, read, removed."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, ParamSpec, Protocol, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from chassis.settings import BadSettings
from messaging.errors import Outage, PermanentError

P = ParamSpec("P")
T = TypeVar("T")

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}/[0-9]{1,4}/[0-9]{1,7}-[0-9a-f]{32}", re.ASCII)
_WRITING = ".writing-"
#: How often a put makes its folder again that a remove has just taken away.
_TRIES = 100


class Blobs(Protocol):
    """Bytes by key. Every method raises Outage where the store can't answer or can't write, and
    PermanentError for what is no key of ours: a message that names one is hopeless."""

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
    """`file:` and a folder, relative or absolute, which is made. Raises BadSettings for anything else."""
    root = _folder(url)
    try:
        await asyncio.to_thread(root.mkdir, parents=True, exist_ok=True)
    except OSError as error:
        raise BadSettings(f"BLOBS_URL: the folder {root} can't be made ({error.strerror})") from None
    yield FolderBlobs(root)


def _folder(url: str) -> Path:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise BadSettings("BLOBS_URL is not a URL; set file:FOLDER") from None
    if parts.scheme != "file":
        raise BadSettings(
            f"BLOBS_URL begins with {parts.scheme or 'nothing'}:, but file:FOLDER is what is known"
        )
    if parts.query or parts.fragment:
        raise BadSettings("BLOBS_URL: write ? and # in the folder's name as %3F and %23")
    path = unquote(parts.netloc.removeprefix("localhost") + parts.path)
    if not path:
        raise BadSettings("BLOBS_URL names no folder; set file:FOLDER")
    return Path(path)


class FolderBlobs:
    """A folder, local or shared; a file appears under its key only once its bytes are on the disk.

    A folder that is not there is an outage, not an empty store: it may be a volume that is not mounted.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, key: str, data: bytes) -> None:
        await _outside(self._put, self._path(key), data)

    async def get(self, key: str) -> bytes | None:
        return await _outside(self._read, self._path(key))

    async def remove(self, key: str) -> None:
        await _outside(_remove, self._path(key))

    async def keys(self) -> AsyncIterator[tuple[str, float]]:
        for entry in await _outside(self._list):
            yield entry

    async def tidy(self, older_than: float) -> int:
        return await _outside(self._tidy, older_than)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise PermanentError("a blob's key is {batch_id}/{ordinal}/{round}-{md5}")
        return self._root / key

    def _put(self, path: Path, data: bytes) -> None:
        if not path.exists():
            draft = self._draft(path, data)
            try:
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
        # The names must outlive a power cut as surely as the bytes do, also those that another put, which
        # may have died right after, has made.
        for folder in (path.parent, path.parent.parent, self._root):
            with suppress(FileNotFoundError):  # the same key was removed meanwhile
                _sync(folder)

    def _draft(self, path: Path, data: bytes) -> Path:
        draft = path.with_name(f"{_WRITING}{uuid4()}")
        with self._created(draft) as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                draft.unlink(missing_ok=True)
                raise
        return draft

    def _created(self, draft: Path) -> BinaryIO:
        for _ in range(_TRIES):
            self._root.stat()
            # Whoever removes a batch's last blob removes its folders, perhaps between these two lines.
            with suppress(FileNotFoundError):
                # Not with all parents: a store that has gone away just now would be made anew, and empty.
                for folder in (draft.parent.parent, draft.parent):
                    with suppress(FileExistsError):
                        folder.mkdir()
                return draft.open("xb")
        raise FileNotFoundError(f"{draft.parent} vanishes as often as it is made")

    def _read(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            self._root.stat()
            return None

    def _list(self) -> list[tuple[str, float]]:
        return [
            (key, age)
            for path, age in self._files()
            if _KEY.fullmatch(key := path.relative_to(self._root).as_posix())
        ]

    def _tidy(self, older_than: float) -> int:
        drafts = [
            path
            for path, age in self._files()
            if path.name.startswith(_WRITING) and age >= max(older_than, 0.0)
        ]
        for path in drafts:
            _remove(path)
        # A writer may also have died between making its folders and its draft.
        for batch in list(self._root.iterdir()):
            for folder in (*_inside(batch), batch):
                with suppress(OSError):  # not empty, or gone
                    if time.time() - folder.stat().st_mtime >= older_than:
                        folder.rmdir()
        return len(drafts)

    def _files(self) -> Iterator[tuple[Path, float]]:
        now = time.time()
        for batch in list(self._root.iterdir()):
            for image in _inside(batch):
                for file in _inside(image):
                    with suppress(FileNotFoundError):
                        yield file, max(now - file.stat().st_mtime, 0.0)


async def _outside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Disk work in a thread; a disk that refuses is an outage, not a failed image."""
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except OSError as error:
        raise Outage(f"blob store: {error.strerror or error}") from error


def _inside(folder: Path) -> list[Path]:
    """Nothing where it has just been removed, or is no folder of ours."""
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    for folder in (path.parent, path.parent.parent):
        with suppress(OSError):  # another image of the batch still lies there
            folder.rmdir()


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
