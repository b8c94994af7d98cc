"""Words in letters that can be drawn: in the font that Pillow brings, else in one that the machine has."""

import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache, partial

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
#: A font in any size, in pixels.
Face = Callable[[int], Font]

#: Looked for in the system's folders of fonts, those with the most scripts first.
MACHINE_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "Arial Unicode.ttf",
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
    "arial.ttf",
)
#: Characters of a text that are looked at: more than ever fit, so that no text takes long.
MOST_SIGNS = 1000
_LEAST_SIZE = 6

#: Letters and signs that no decomposition makes plain.
_PLAIN = str.maketrans(
    {"ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ß": "ss", "ð": "d", "Ð": "D"}
    | {"þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "\u0131": "i"}
    | {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"}
)


def lettered(text: str) -> tuple[str, Face]:
    """The words, one space apart, and a face that draws them. Accents fall away where the font has none. Of a
    script that no font here has, nothing is left."""
    plain = _plain(text)
    if _letters(plain) >= _letters(text):
        return plain, _own
    true = " ".join(_printable(text))
    for name in MACHINE_FONTS:
        if _is_installed(name) and _draws(name, true):
            return true, partial(_installed, name)
    return plain, _own


def _own(size: int) -> Font:
    return ImageFont.load_default(max(_LEAST_SIZE, size))


def _installed(name: str, size: int) -> Font:
    return ImageFont.truetype(name, max(_LEAST_SIZE, size))


def _plain(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text[:MOST_SIGNS].translate(_PLAIN))
    bare = (sign for sign in parts if not unicodedata.combining(sign))
    return " ".join("".join(sign if sign.isascii() and sign.isprintable() else " " for sign in bare).split())


def _printable(text: str) -> Iterable[str]:
    whole = unicodedata.normalize("NFC", text[:MOST_SIGNS])
    return "".join(sign if sign.isprintable() else " " for sign in whole).split()


def _letters(text: str) -> int:
    """A letter with accents counts once."""
    composed = unicodedata.normalize("NFC", text[:MOST_SIGNS])
    return sum(sign.isalnum() for sign in composed)


@lru_cache
def _is_installed(name: str) -> bool:
    try:
        ImageFont.truetype(name, _LEAST_SIZE)
    except OSError:
        return False
    return True


def _draws(name: str, text: str) -> bool:
    """Whether the font has a picture of its own for every letter."""
    font = ImageFont.truetype(name, 16)
    nothing = bytes(font.getmask("\U0010fffe"))
    return all(bytes(font.getmask(sign)) != nothing for sign in set(text) if sign.isalnum())
