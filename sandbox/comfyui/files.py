"""The folders `output`, `input` and `temp`: counted names, safe paths, uploads."""

import hashlib
import os
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from PIL import Image
from PIL.PngImagePlugin import PngInfo

Folder = Literal["output", "input", "temp"]
FOLDERS: tuple[str, ...] = get_args(Folder)


class OutsideFolder(Exception):
    """A path that leaves its folder."""


class BadName(Exception):
    """A file name that is empty, absolute or holds `..`."""


class Files:
    """Files below one root; everything here blocks, so callers go through a thread."""

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.abspath(root))
        for folder in FOLDERS:
            (self._root / folder).mkdir(parents=True, exist_ok=True)

    def find(self, filename: str, subfolder: str, folder: str) -> Path | None:
        """The file, None where there is none. Raises BadName and OutsideFolder."""
        if not filename or filename[0] == "/" or ".." in filename or folder not in FOLDERS:
            raise BadName(filename)
        found = self._inside(folder, subfolder) / os.path.basename(filename)
        return found if "/" not in filename and _is_file(found) else None

    def save(self, picture: Image.Image, prefix: str, folder: Folder, metadata: PngInfo) -> dict[str, str]:
        """Write under the next free number; what `outputs` say of it.

        Raises OutsideFolder for a prefix that leaves the folder, and OSError for a name the disk refuses.
        """
        subfolder, stem = os.path.split(os.path.normpath(_expanded(prefix, picture.size)))
        directory = self._inside(folder, subfolder)
        directory.mkdir(parents=True, exist_ok=True)
        name = f"{stem}_{_highest(directory, stem) + 1:05}_.png"
        picture.save(directory / name, pnginfo=metadata, compress_level=1)
        return {"filename": name, "subfolder": subfolder, "type": folder}

    def upload(self, content: bytes, filename: str, subfolder: str, folder: str, overwrite: bool) -> str:
        """The name it was given: another one where a different file has that name. Raises as `find` does."""
        if not filename or folder not in FOLDERS:
            raise BadName(filename)
        directory = self._inside(folder, subfolder)
        if (directory / filename).resolve().parent != directory.resolve():
            raise OutsideFolder(filename)
        directory.mkdir(parents=True, exist_ok=True)
        target = directory / filename if overwrite else _free(directory, filename, content)
        target.write_bytes(content)
        return target.name

    def path(self, listed: dict[str, str]) -> Path:
        """Where a file lies that an output lists."""
        return self._root / listed["type"] / listed["subfolder"] / listed["filename"]

    def inputs(self) -> list[str]:
        return sorted(entry.name for entry in (self._root / "input").iterdir() if entry.is_file())

    def _inside(self, folder: str, subfolder: str) -> Path:
        base = self._root / folder
        directory = Path(os.path.abspath(base / subfolder))
        if not directory.is_relative_to(base):
            raise OutsideFolder(
                f"Saving image outside the output folder is not allowed.\n full_output_folder: {directory}\n"
            )
        return directory


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # names that no file can have: too long, or with a null byte
        return False


def _expanded(prefix: str, size: tuple[int, int]) -> str:
    """ComfyUI's own variables; `%date:…%` is its web page's and stays as it is."""
    now = datetime.now().astimezone()
    known = {
        "width": str(size[0]),
        "height": str(size[1]),
        "year": f"{now:%Y}",
        "month": f"{now:%m}",
        "day": f"{now:%d}",
        "hour": f"{now:%H}",
        "minute": f"{now:%M}",
        "second": f"{now:%S}",
    }
    for name, value in known.items():
        prefix = prefix.replace(f"%{name}%", value)
    return prefix


def _highest(directory: Path, stem: str) -> int:
    numbers = (_number(entry, stem) for entry in os.listdir(directory))
    return max(numbers, default=0)


def _number(entry: str, stem: str) -> int:
    if not entry.startswith(f"{stem}_"):
        return 0
    digits = entry[len(stem) + 1 :].partition("_")[0]
    return int(digits) if digits.isdecimal() else 0


def _free(directory: Path, filename: str, content: bytes) -> Path:
    stem, suffix = os.path.splitext(filename)
    target, count = directory / filename, 1
    while target.exists() and _digest(target.read_bytes()) != _digest(content):
        target = directory / f"{stem} ({count}){suffix}"
        count += 1
    return target


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
