"""The names of section 4: slugs, folders, image names, and how to read them back.

The rules come from how Cloudinary reads a public_id: it alters or refuses special characters, takes
`v` + digits for a version, may take `ab_…` for a transformation, and a suffix after a dot for a format.
Whatever it would not keep to the letter is refused here, before a number is reserved.
"""

import re
import unicodedata
from dataclasses import dataclass

from contracts.limits import MAX_INDEX

CHARACTERS = "characters"
PREMADE = "premade_characters"
COLLECTIONS = (CHARACTERS, PREMADE)

#: Cloudinary's bound for a public_id; the folder repeats both names.
MAX_PUBLIC_ID = 255
#: username + slug, so that a public_id with the highest index (16 digits) still fits.
MAX_NAMES = 101

_USERNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?", re.ASCII)
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_VERSION = re.compile(r"v[0-9]+", re.ASCII)
_IMAGE = re.compile(r"(?P<username>.+)_(?P<slug>[a-z0-9-]+)_image_(?P<index>[0-9]{1,16})", re.ASCII)


class Unnameable(ValueError):
    """A name that cannot become part of a folder; the text says why and what to change."""


@dataclass(frozen=True)
class ImagePlace:
    """What a public_id says."""

    username: str
    collection: str
    slug: str
    index: int


def slug(name: str) -> str:
    """The character's part of a folder: lower-case ASCII letters and digits joined by single hyphens.

    Raises Unnameable where nothing of the name is left, or the rest reads as a version.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    made = "-".join(re.findall(r"[a-z0-9]+", plain.replace("'", "")))
    if not made:
        raise Unnameable("the character's name needs at least one Latin letter or digit")
    if _VERSION.fullmatch(made):
        raise Unnameable("a character's name of 'v' and digits would be read as a version; add another word")
    return made


def check_username(username: str) -> str:
    """The same username. Raises Unnameable where Cloudinary would alter it or read something else."""
    if not _USERNAME.fullmatch(username):
        raise Unnameable(
            "a username has letters, digits, '-' and '_' (ASCII) and begins and ends with a letter or digit"
        )
    if _VERSION.fullmatch(username):
        raise Unnameable("a username of 'v' and digits would be read as a version")
    if 0 <= username.find("_") < 4:
        raise Unnameable(
            "a username needs four characters before its first '_', else it reads as a transformation"
        )
    return username


def folder(username: str, collection: str, character_slug: str) -> str:
    """`{username}/{collection}/{slug}/images`. Raises Unnameable with the part that does not fit."""
    check_username(username)
    if collection not in COLLECTIONS:
        raise Unnameable(f"the collection is one of {', '.join(COLLECTIONS)}")
    if not _SLUG.fullmatch(character_slug) or _VERSION.fullmatch(character_slug):
        raise Unnameable("a slug has lower-case ASCII letters and digits joined by single '-'")
    if len(username) + len(character_slug) > MAX_NAMES:
        raise Unnameable(f"username and character name together have more than {MAX_NAMES} characters")
    return f"{username}/{collection}/{character_slug}/images"


def image_name(username: str, character_slug: str, index: int, padding: int = 0) -> str:
    return f"{username}_{character_slug}_image_{index:0{padding}d}"


def renumbered(name: str, index: int) -> str:
    """The same image name with a later number, padded as the old one was."""
    stem, _, digits = name.rpartition("_")
    return f"{stem}_{index:0{len(digits)}d}" if digits.startswith("0") else f"{stem}_{index}"


def index_of(name: str) -> int | None:
    """The number in an image name or public_id, padded or not; None where there is none."""
    found = _IMAGE.fullmatch(name.rpartition("/")[2])
    return _number(found["index"]) if found else None


def public_id(in_folder: str, name: str) -> str:
    return f"{in_folder}/{name}"


def index_file(in_folder: str) -> str:
    """Public id of the folder's mirror of the next index; raw assets keep their extension."""
    return f"{in_folder}/index.txt"


def parse_folder(path: str) -> tuple[str, str, str] | None:
    """(username, collection, slug) of a folder of ours, else None."""
    match path.split("/"):
        case [username, collection, character_slug, "images"]:
            try:
                folder(username, collection, character_slug)
            except Unnameable:
                return None
            return username, collection, character_slug
        case _:
            return None


def parse_public_id(path: str) -> ImagePlace | None:
    """What an image's public_id says, None where it is not one of ours."""
    directory, _, name = path.rpartition("/")
    parts, found = parse_folder(directory), _IMAGE.fullmatch(name)
    if parts is None or found is None or (found["username"], found["slug"]) != (parts[0], parts[2]):
        return None
    index = _number(found["index"])
    return None if index is None else ImagePlace(*parts, index)


def _number(digits: str) -> int | None:
    return index if 1 <= (index := int(digits)) <= MAX_INDEX else None
