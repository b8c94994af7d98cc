"""A blob store on a disk of its own, so small that one file fills it."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

MEGABYTE = 1 << 20


class Disk(Protocol):
    """Where blobs are kept. `fill` and `free` may be called at any time, in turn."""

    @property
    def means(self) -> str:
        """What a full disk is here."""
        ...

    def fill(self) -> None: ...
    def free(self) -> None: ...


class Quota:
    """A real file system with a real limit: once it is full, every write is refused with ENOSPC."""

    means = "ENOSPC"

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / ".ballast"

    def fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as file:
            while True:
                try:
                    file.write(bytes(4096))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    return

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)


class Away:
    """Where nobody may mount: the folder goes away, as a volume does that is unmounted."""

    means = "the folder goes away"

    def __init__(self, folder: Path) -> None:
        self._folder, self._aside = folder, folder.with_name(f"{folder.name}-away")

    def fill(self) -> None:
        self._folder.rename(self._aside)

    def free(self) -> None:
        with suppress(FileNotFoundError):
            self._aside.rename(self._folder)


@contextmanager
def small_disk(folder: Path, megabytes: int = 24) -> Iterator[Disk]:
    """A disk at this path, which must not be there yet.

    Its mount is detached at once and lives by our open file alone, under whose name in /proc it is reached:
    it is gone with this process, however that ends.
    """
    opened = _detached_tmpfs(folder.with_name(f"{folder.name}-mount"), megabytes)
    if opened is None:
        folder.mkdir()
        yield Away(folder)
        return
    folder.symlink_to(f"/proc/{os.getpid()}/fd/{opened}")
    try:
        yield Quota(folder)
    finally:
        os.close(opened)
        folder.unlink()


def _detached_tmpfs(point: Path, megabytes: int) -> int | None:
    """An open tmpfs that is mounted nowhere any more; None where mounting is not allowed."""
    if shutil.which("mount") is None:
        return None
    point.mkdir()
    try:
        options = f"size={megabytes}m,mode=0755"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)], check=False, capture_output=True
        )
        if mounted.returncode:
            return None
        try:
            return os.open(point, os.O_RDONLY | os.O_DIRECTORY)
        finally:
            subprocess.run(["umount", "--lazy", str(point)], check=True, capture_output=True)
    finally:
        point.rmdir()
