"""Portraits in place of what a model would make: equal inputs give equal pixels, a new seed a new face."""

import colorsys
import hashlib
import random
from dataclasses import astuple, dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont, ImageOps

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Recipe:
    """Everything that a picture follows from."""

    models: tuple[str, ...]
    positive: str
    negative: str
    seed: int
    steps: int
    cfg: float
    sampler: str
    denoise: float
    width: int
    height: int
    #: Place in the latent batch.
    place: int = 0
    #: What was there before: an image to image start, an earlier sampler.
    source: str = ""

    def digest(self) -> str:
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()


def paint(recipe: Recipe) -> Image.Image:
    """The portrait. Shapes are drawn at half size and enlarged, to paint 1024x1536 in some 25 ms."""
    chance = random.Random(recipe.digest())  # noqa: S311 (a picture, not a secret)
    width, height = max(8, recipe.width // 2), max(8, recipe.height // 2)
    scene = _sky(width, height, chance)
    draw = ImageDraw.Draw(scene)
    _hills(draw, width, height, chance)
    _figure(draw, width, height, chance)
    picture = scene.resize((recipe.width, recipe.height), Image.Resampling.BICUBIC)
    _caption(picture, recipe)
    return picture


def _colour(hue: float, saturation: float, lightness: float) -> Colour:
    red, green, blue = colorsys.hls_to_rgb(hue % 1, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def _sky(width: int, height: int, chance: random.Random) -> Image.Image:
    hue = chance.random()
    slope = Image.linear_gradient("L").resize((width, height))
    sky = ImageOps.colorize(
        slope, _colour(hue, 0.55, 0.22), _colour(hue + 0.13, 0.7, 0.74), _colour(hue + 0.06, 0.5, 0.5)
    )
    size = int(min(width, height) * chance.uniform(0.7, 1.1))
    glow = ImageOps.invert(Image.radial_gradient("L")).point(_halo).resize((size, size))
    place = (int(chance.uniform(-0.2, 1.0) * width - size / 4), int(chance.uniform(-0.1, 0.3) * height))
    sky.paste(_colour(hue + 0.1, 0.9, 0.9), place, glow)
    return sky


def _halo(value: int) -> int:
    """A soft-edged disc in a glow that has faded before the gradient's square ends."""
    disc = min(1.0, max(0.0, (value - 178) / 6))
    glow = max(0.0, (value - 80) / 175) ** 1.5 * 0.75
    return int(255 * max(disc * 0.9, glow))


def _hills(draw: ImageDraw.ImageDraw, width: int, height: int, chance: random.Random) -> None:
    hue = chance.random()
    for layer in range(3):
        base = height * (0.56 + 0.13 * layer)
        knots = [base + chance.uniform(-0.09, 0.05) * height for _ in range(7)]
        points = [(x, _between(knots, x / width)) for x in range(0, width + 8, 8)]
        draw.polygon(
            [*points, (width + 8, height), (0, height)],
            fill=_colour(hue + 0.04 * layer, 0.4, 0.5 - 0.12 * layer),
        )


def _between(knots: list[float], place: float) -> float:
    left, rest = divmod(min(place, 0.999) * (len(knots) - 1), 1)
    smooth = rest * rest * (3 - 2 * rest)
    return knots[int(left)] * (1 - smooth) + knots[int(left) + 1] * smooth


def _figure(draw: ImageDraw.ImageDraw, width: int, height: int, chance: random.Random) -> None:
    unit = min(width, height * 0.75) / 10
    centre, chin = width * chance.uniform(0.42, 0.58), height * 0.66
    skin = _colour(0.07, 0.45, chance.uniform(0.35, 0.82))
    hair = _colour(chance.random(), chance.uniform(0.2, 0.7), chance.uniform(0.12, 0.6))
    cloth = _colour(chance.random(), 0.5, chance.uniform(0.3, 0.6))
    fall = chance.uniform(-0.5, 2.6)
    draw.rounded_rectangle(
        (centre - 2.25 * unit, chin - 5.1 * unit, centre + 2.25 * unit, chin + fall * unit),
        2.1 * unit,
        fill=hair,
    )
    draw.ellipse(_box(centre, height + 1.2 * unit, 4.2 * unit, height - chin + 0.4 * unit), fill=cloth)
    draw.rounded_rectangle(
        _box(centre, chin + 0.5 * unit, 0.75 * unit, 1.2 * unit), 0.6 * unit, fill=_darker(skin)
    )
    draw.ellipse(_box(centre, chin - 2 * unit, 1.8 * unit, 2.3 * unit), fill=skin)
    draw.chord(
        _box(centre, chin - 2.7 * unit, 2.05 * unit, 2.1 * unit),
        180 + chance.uniform(-14, 8),
        360 + chance.uniform(-8, 14),
        fill=hair,
    )
    _face(draw, centre, chin - 1.9 * unit, unit, chance)


def _face(draw: ImageDraw.ImageDraw, x: float, y: float, unit: float, chance: random.Random) -> None:
    iris, lips = _colour(chance.random(), 0.6, 0.35), _colour(0.98, 0.5, chance.uniform(0.35, 0.55))
    brow = chance.uniform(-0.14, 0.04)
    for side in (-1, 1):
        eye = x + side * 0.75 * unit
        draw.ellipse(_box(eye, y, 0.34 * unit, 0.24 * unit), fill=(250, 250, 248))
        draw.ellipse(_box(eye, y, 0.2 * unit, 0.22 * unit), fill=iris)
        draw.ellipse(_box(eye, y, 0.09 * unit, 0.1 * unit), fill=(20, 18, 24))
        inner, outer = (
            (eye - side * 0.4 * unit, y - (0.5 - brow) * unit),
            (eye + side * 0.42 * unit, y - (0.5 + brow) * unit),
        )
        draw.line([inner, outer], fill=(45, 32, 30), width=max(1, int(0.12 * unit)))
    smile = chance.uniform(0.12, 0.4) * unit
    draw.chord(_box(x, y + 1.25 * unit, chance.uniform(0.4, 0.65) * unit, smile), 0, 180, fill=lips)
    draw.arc(
        _box(x, y + 0.45 * unit, 0.2 * unit, 0.28 * unit),
        20,
        160,
        fill=(120, 80, 70),
        width=max(1, int(0.06 * unit)),
    )


def _box(x: float, y: float, across: float, along: float) -> tuple[float, float, float, float]:
    return x - across, y - along, x + across, y + along


def _darker(colour: Colour) -> Colour:
    return int(colour[0] * 0.85), int(colour[1] * 0.82), int(colour[2] * 0.82)


def _caption(picture: Image.Image, recipe: Recipe) -> None:
    size = max(9, picture.width // 46)
    words = " ".join(recipe.positive.split())
    room = max(8, int(picture.width * 1.8 / size) - 4)
    shown = words if len(words) <= room else words[: room - 1] + "…"
    band = Image.new("RGB", (picture.width, min(picture.height, size * 4)), (14, 14, 18))
    draw = ImageDraw.Draw(band)
    draw.text((size, size * 0.6), shown, font=_font(size), fill=(236, 234, 228))
    draw.text((size, size * 2.1), f"seed {recipe.seed}", font=_font(size), fill=(160, 158, 152))
    place = (0, picture.height - band.height)
    under = picture.crop((*place, *picture.size))
    picture.paste(Image.blend(under, band, 0.72), place)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
