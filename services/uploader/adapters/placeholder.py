"""Draws what stands where an image could not be made: its number, its character and the reason."""

import asyncio
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from services.uploader.domain.cards import Card

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Line = tuple[str, Font, tuple[int, int, int]]

_TOP, _BOTTOM = (38, 41, 52), (24, 26, 34)
_FRAME = (74, 79, 97)
_ACCENT = (226, 178, 104)
_PAPER = (236, 236, 240)
_QUIET = (176, 180, 194)
#: Curly apostrophe and dashes.
_PLAIN = {0x2019: "'", 0x2013: "-", 0x2014: "-"}
#: Lines that a reason may take; what is longer ends with an ellipsis.
_MOST_LINES = 7
#: Characters of a text that are looked at: more than ever fit, so that no text takes long.
_MOST_SIGNS = 1000


async def draw(card: Card) -> bytes:
    """PNG without any metadata: the same card is the same bytes, with the same release of Pillow."""
    return await asyncio.to_thread(_png, card)


def _png(card: Card) -> bytes:
    image = _ground(card.width, card.height)
    pen = ImageDraw.Draw(image)
    unit = min(card.width, card.height)
    inset = max(2, unit // 32)
    frame = (inset, inset, card.width - 1 - inset, card.height - 1 - inset)
    pen.rounded_rectangle(frame, radius=unit // 24, outline=_FRAME, width=max(1, unit // 256))
    _write(pen, card, list(_lines(pen, card, unit)))
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=False, compress_level=6)
    return buffer.getvalue()


def _ground(width: int, height: int) -> Image.Image:
    """A quiet gradient: one column of colours, stretched."""
    column = Image.new("RGB", (1, 2))
    column.putdata([_TOP, _BOTTOM])
    return column.resize((width, height), Image.Resampling.BILINEAR)


def _lines(pen: ImageDraw.ImageDraw, card: Card, unit: int) -> Iterator[Line]:
    width = card.width - unit // 6
    number, name, small = f"#{card.index}", _font(unit // 11), _font(unit // 22)
    yield number, _fitting(pen, number, unit // 4, width), _ACCENT
    yield from ((line, name, _PAPER) for line in _wrapped(pen, card.character, name, width, 2))
    yield "", small, _QUIET
    yield from ((line, small, _QUIET) for line in _wrapped(pen, card.reason, small, width, _MOST_LINES))


def _write(pen: ImageDraw.ImageDraw, card: Card, lines: list[Line]) -> None:
    heights = [round(_height(font) * 1.25) for _, font, _ in lines]
    y = max(0, (card.height - sum(heights)) / 2)
    for (text, font, colour), height in zip(lines, heights, strict=True):
        pen.text((card.width / 2, y + height / 2), text, colour, font, anchor="mm")
        y += height


def _wrapped(pen: ImageDraw.ImageDraw, text: str, font: Font, width: int, most: int) -> list[str]:
    lines: list[str] = []
    words = [part for word in _printable(text).split() for part in _pieces(pen, word, font, width)]
    for word in words:
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and pen.textlength(longer, font) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]}…"]
    return lines


def _pieces(pen: ImageDraw.ImageDraw, word: str, font: Font, width: int) -> Iterator[str]:
    """The word, cut where it is wider than a line."""
    while word:
        end = max(1, _fit(pen, word, font, width))
        yield word[:end]
        word = word[end:]


def _fit(pen: ImageDraw.ImageDraw, word: str, font: Font, width: int) -> int:
    """How many of its letters fit."""
    return bisect_right(range(1, len(word) + 1), width, key=lambda end: int(pen.textlength(word[:end], font)))


def _fitting(pen: ImageDraw.ImageDraw, text: str, size: int, width: int) -> Font:
    """The largest font in which the text fits the width."""
    sizes = (size * share // 6 for share in range(6, 0, -1))
    fonts = (_font(smaller) for smaller in sizes)
    return next((font for font in fonts if pen.textlength(text, font) <= width), _font(1))


def _font(size: int) -> Font:
    return ImageFont.load_default(max(6, size))


def _height(font: Font) -> float:
    return font.size if isinstance(font, ImageFont.FreeTypeFont) else 11.0


def _printable(text: str) -> str:
    """What the font that comes with Pillow can draw: accents fall away, other signs become spaces."""
    plain = unicodedata.normalize("NFKD", text[:_MOST_SIGNS].translate(_PLAIN))
    letters = (sign for sign in plain if not unicodedata.combining(sign))
    return "".join(sign if sign.isascii() and sign.isprintable() else " " for sign in letters)
