"""Blobs in a folder, local or shared by mounting it."""

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from chassis.blob_keys import Check, checked_key, is_blob_key
from chassis.settings import BadSettings
from messaging.errors import Outage

P = ParamSpec("P")
T = TypeVar("T")

_WRITING = ".writing-"
_PROBE = b"darkroom"
#: How often a put makes its folder again that a remove has just taken away.
_TRIES = 100


@asynccontextmanager
async def open_folder(url: str) -> AsyncIterator["FolderBlobs"]:
    """The folder of a `file:` URL, which is made. Raises BadSettings where there is none to be had."""
    root = _folder(url)
    try:
        await asyncio.to_thread(root.mkdir, parents=True, exist_ok=True)
    except OSError as error:
        raise BadSettings(f"BLOBS_URL: the folder {root} can't be made ({error.strerror})") from None
    yield FolderBlobs(root)


def _folder(url: str) -> Path:
    parts = urlsplit(url)
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

    async def get(self, key: str, check: Check | None = None) -> bytes | None:
        # One visit to a thread for both: each costs about as much as reading the file.
        return await _outside(self._read, self._path(key), check)

    async def remove(self, key: str) -> None:
        await _outside(_remove, self._path(key))

    async def keys(self) -> AsyncIterator[tuple[str, float]]:
        for entry in await _outside(self._list):
            yield entry

    async def tidy(self, older_than: float) -> int:
        return await _outside(self._tidy, older_than)

    async def trouble(self) -> str | None:
        try:
            await _outside(self._look)
        except Outage as why:
            return str(why)
        return None

    async def probe(self) -> None:
        await _outside(self._probe)

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _look(self) -> None:
        space = os.statvfs(self._root)
        if space.f_blocks and not space.f_bavail:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    def _probe(self) -> None:
        draft = self._root / f"{_WRITING}{uuid4()}"
        try:
            _write(draft.open("xb"), _PROBE)
            if draft.read_bytes() != _PROBE:
                raise OSError("what was written does not come back")
        finally:
            draft.unlink(missing_ok=True)

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
        file = self._created(draft)
        try:
            _write(file, data)
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

    def _read(self, path: Path, check: Check | None) -> bytes | None:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            self._root.stat()
            return None
        if check is not None:
            check(data)
        return data

    def _list(self) -> list[tuple[str, float]]:
        return [
            (key, age)
            for path, age in self._files()
            if is_blob_key(key := path.relative_to(self._root).as_posix())
        ]

    def _tidy(self, older_than: float) -> int:
        patience = max(older_than, 0.0)
        drafts = [path for path, age in self._files() if path.name.startswith(_WRITING) and age >= patience]
        for path in drafts:
            _remove(path)
        probes = _aged(self._root.glob(f"{_WRITING}*"), time.time())
        left = [path for path, age in probes if age >= patience]
        for path in left:
            path.unlink(missing_ok=True)
        self._tidy_folders(older_than)
        return len(drafts) + len(left)

    def _tidy_folders(self, older_than: float) -> None:
        """A writer may also have died between making its folders and its draft."""
        for batch in list(self._root.iterdir()):
            for folder in (*_inside(batch), batch):
                with suppress(OSError):  # not empty, or gone
                    if time.time() - folder.stat().st_mtime >= older_than:
                        folder.rmdir()

    def _files(self) -> Iterator[tuple[Path, float]]:
        now = time.time()
        for batch in list(self._root.iterdir()):
            for image in _inside(batch):
                yield from _aged(_inside(image), now)


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


def _aged(files: Iterable[Path], now: float) -> Iterator[tuple[Path, float]]:
    """Each with its seconds, without those that have just been removed."""
    for file in files:
        with suppress(FileNotFoundError):
            yield file, max(now - file.stat().st_mtime, 0.0)


def _write(file: BinaryIO, data: bytes) -> None:
    """The bytes are on the disk, and the file is closed, whatever comes of it."""
    with file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
    image = os.path.dirname(path)
    for folder in (image, os.path.dirname(image)):
        with suppress(OSError):  # another image of the batch still lies there
            os.rmdir(folder)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
