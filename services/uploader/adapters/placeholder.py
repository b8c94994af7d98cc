"""Draws what stands where an image could not be made: its number, its character and the reason."""

import asyncio
from bisect import bisect_right
from collections.abc import Iterator
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from services.uploader.adapters.lettering import Face, Font, lettered
from services.uploader.domain.cards import Card

Colour = tuple[int, int, int]
Line = tuple[str, Font, Colour]

_TOP, _BOTTOM = (38, 41, 52), (24, 26, 34)
_FRAME = (74, 79, 97)
_ACCENT = (226, 178, 104)
_PAPER = (236, 236, 240)
_QUIET = (176, 180, 194)
#: Lines that a name and a reason may take; what is longer ends with an ellipsis.
_NAME_LINES, _REASON_LINES = 2, 7
#: A picture whose shorter side is less is drawn larger and made smaller: letters of a few pixels look torn.
_DRAWN_SIDE = 640
#: Below this many pixels of its shorter side a picture has no room for sentences.
_LEAST_SIDE_WITH_REASON = 160
_ELLIPSIS = "..."


async def draw(card: Card) -> bytes:
    """PNG without any metadata: on one machine the same card is the same bytes, as long as its fonts and
    Pillow stay the same."""
    return await asyncio.to_thread(_png, card)


def _png(card: Card) -> bytes:
    times = max(1, -(-_DRAWN_SIDE // min(card.width, card.height)))
    times = min(times, max(1, 4096 // max(card.width, card.height)))
    image = _drawn(card, card.width * times, card.height * times)
    if times > 1:
        image = image.resize((card.width, card.height), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=False, compress_level=6)
    return buffer.getvalue()


def _drawn(card: Card, width: int, height: int) -> Image.Image:
    image = _ground(width, height)
    pen = ImageDraw.Draw(image)
    unit = min(width, height)
    inset = max(2, unit // 32)
    frame = (inset, inset, width - 1 - inset, height - 1 - inset)
    pen.rounded_rectangle(frame, radius=unit // 24, outline=_FRAME, width=max(1, unit // 256))
    _write(pen, list(_lines(pen, card, width - unit // 6, unit)), width, height, unit)
    return image


def _ground(width: int, height: int) -> Image.Image:
    """A quiet gradient: one column of colours, stretched."""
    column = Image.new("RGB", (1, 2))
    column.putdata([_TOP, _BOTTOM])
    return column.resize((width, height), Image.Resampling.BILINEAR)


def _lines(pen: ImageDraw.ImageDraw, card: Card, width: int, unit: int) -> Iterator[Line]:
    """An empty line in the accent's colour is a rule."""
    number, face = lettered(f"#{card.index}")
    yield number, _largest(pen, number, face, unit // 4, width), _ACCENT
    name, face = lettered(card.character)
    font = _fitting(pen, name, face, unit // 11, width)
    yield from ((line, font, _PAPER) for line in _wrapped(pen, name, font, width, _NAME_LINES))
    if min(card.width, card.height) < _LEAST_SIDE_WITH_REASON:
        return
    reason, face = lettered(card.reason)
    small = face(unit // 22)
    yield "", small, _ACCENT
    yield from ((line, small, _QUIET) for line in _wrapped(pen, reason, small, width, _REASON_LINES))


def _write(pen: ImageDraw.ImageDraw, lines: list[Line], width: int, height: int, unit: int) -> None:
    heights = [round(_height(font) * (1.25 if text else 1.6)) for text, font, _ in lines]
    y = max(0, (height - sum(heights)) / 2)
    for (text, font, colour), tall in zip(lines, heights, strict=True):
        middle = y + tall / 2
        if text:
            pen.text((width / 2, middle), text, colour, font, anchor="mm")
        else:
            half = unit // 16
            rule = (width / 2 - half, middle, width / 2 + half, middle)
            pen.line(rule, colour, max(1, unit // 200))
        y += tall


def _wrapped(pen: ImageDraw.ImageDraw, text: str, font: Font, width: int, most: int) -> list[str]:
    lines: list[str] = []
    words = (piece for word in text.split() for piece in _pieces(pen, word, font, width))
    for piece in words:
        longer = f"{lines[-1]} {piece}" if lines else piece
        if lines and pen.textlength(longer, font) <= width:
            lines[-1] = longer
        else:
            lines.append(piece)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and pen.textlength(last + _ELLIPSIS, font) > width:
        last = last[:-1]
    return [*lines[: most - 1], last.rstrip() + _ELLIPSIS]


def _pieces(pen: ImageDraw.ImageDraw, word: str, font: Font, width: int) -> Iterator[str]:
    """The word, cut where it is wider than a line."""
    while word:
        end = max(1, _fit(pen, word, font, width))
        yield word[:end]
        word = word[end:]


def _fit(pen: ImageDraw.ImageDraw, word: str, font: Font, width: int) -> int:
    """How many of its letters fit."""
    return bisect_right(range(1, len(word) + 1), width, key=lambda end: int(pen.textlength(word[:end], font)))


def _largest(pen: ImageDraw.ImageDraw, text: str, face: Face, size: int, width: int) -> Font:
    """The largest font in which the text fits one line."""
    fonts = (face(size * share // 6) for share in range(6, 0, -1))
    return next((font for font in fonts if pen.textlength(text, font) <= width), face(1))


def _fitting(pen: ImageDraw.ImageDraw, text: str, face: Face, size: int, width: int) -> Font:
    """The largest font in which the text fits its lines, down to half the size."""
    fonts = [face(size * share // 10) for share in range(10, 4, -1)]
    whole = len(text.split())
    return next(
        (font for font in fonts if sum(len(line.split()) for line in _cut(pen, text, font, width)) == whole),
        fonts[-1],
    )


def _cut(pen: ImageDraw.ImageDraw, text: str, font: Font, width: int) -> list[str]:
    lines = _wrapped(pen, text, font, width, _NAME_LINES)
    return [line for line in lines if not line.endswith(_ELLIPSIS)]


def _height(font: Font) -> float:
    return font.size if isinstance(font, ImageFont.FreeTypeFont) else 11.0
