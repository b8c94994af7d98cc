"""Which public ids the service takes, which it alters, and how it makes one up.

Source: Cloudinary's upload documentation. Which "special characters" become an underscore is not published;
here everything but letters, digits and the characters of `_KEPT` does, which is the strict reading.
"""

import re
import secrets
import string
from pathlib import PurePosixPath

from sandbox.cloudinary.refusals import Refusal

MAX_LENGTH = 255
_FORBIDDEN = set("?&#\\%<>+")
_KEPT = " -_./,!()@:=~$;'"
_ALTERED = re.compile(rf"[^\w{re.escape(_KEPT)}]")
_VERSION_FOLDER = re.compile(r"v\d+")
_ALPHABET = string.ascii_lowercase + string.digits


def accepted_public_id(wanted: str) -> str:
    """The public id under which the asset will lie: trimmed, odd characters altered; raises Refusal."""
    trimmed = wanted.strip()
    if len(trimmed) > MAX_LENGTH:
        raise Refusal(400, f"public_id is too long ({len(trimmed)} characters). Maximum is {MAX_LENGTH}")
    segments = trimmed.split("/")
    if (
        _FORBIDDEN & set(trimmed)
        or any(segment != segment.strip() or not segment for segment in segments)
        or any(_VERSION_FOLDER.fullmatch(folder) for folder in segments[:-1])
    ):
        raise Refusal(400, f"public_id ({wanted}) is invalid")
    return _ALTERED.sub("_", trimmed)


def accepted_asset_folder(wanted: str) -> str:
    """The Media Library folder, without outer slashes; raises Refusal."""
    if len(wanted) > MAX_LENGTH or wanted != wanted.rstrip():
        raise Refusal(400, f"asset_folder ({wanted}) is invalid")
    return wanted.strip("/")


def random_public_id(length: int = 20) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def name_from_file(filename: str, unique: bool) -> str:
    """The public id of an upload with `use_filename`: the file's stem, with a random tail to be unique."""
    stem = _ALTERED.sub("_", "".join("_" if c in _FORBIDDEN else c for c in file_stem(filename))).strip()
    return f"{stem}_{random_public_id(6)}" if unique or not stem else stem


def file_stem(filename: str) -> str:
    return PurePosixPath(filename.replace("\\", "/")).stem


def file_extension(filename: str) -> str:
    return PurePosixPath(filename.replace("\\", "/")).suffix
