"""The transformations of delivery URLs that a gallery uses, done by Pillow."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps

from sandbox.cloudinary.images import PILLOW_NAMES, InvalidImage, format_named
from sandbox.cloudinary.refusals import Refusal

_COMPONENT = re.compile(r"[a-z]{1,3}_[^,/]+(,[a-z]{1,3}_[^,/]+)*")
_CROPS = frozenset({"scale", "fit", "limit", "fill", "thumb", "pad"})
_QUALITY_WORDS = {"auto": 80, "auto:best": 90, "auto:good": 80, "auto:eco": 70, "auto:low": 50}
_MAX_PIXELS = 25_000_000
#: Where the part that is kept lies, as shares of the width and height that are cut away left and above.
_GRAVITIES = {
    "north": (0.5, 0.0),
    "south": (0.5, 1.0),
    "west": (0.0, 0.5),
    "east": (1.0, 0.5),
    "north_west": (0.0, 0.0),
    "north_east": (1.0, 0.0),
    "south_west": (0.0, 1.0),
    "south_east": (1.0, 1.0),
}
_CENTERING_GRAVITIES = ("center", "auto", "face", "faces")


@dataclass(frozen=True, slots=True)
class Step:
    """One component of a transformation; a width or height below 1 is a share of the original."""

    width: float | None = None
    height: float | None = None
    crop: str = "scale"
    centering: tuple[float, float] = (0.5, 0.5)
    format: str | None = None
    quality: int | None = None


def looks_like_transformation(segment: str) -> bool:
    """Whether the service would read this part of a URL without version as a transformation, not a folder."""
    return _COMPONENT.fullmatch(segment) is not None


def parse_transformation(component: str) -> Step:
    """`c_fill,h_256,w_256` as a value; raises Refusal for what is not understood, so nothing is left out."""
    values = dict(part.partition("_")[::2] for part in component.split(","))
    try:
        return Step(
            width=_length(values.pop("w", None)),
            height=_length(values.pop("h", None)),
            crop=_one_of(_CROPS, values.pop("c", "scale")),
            centering=_centering(values.pop("g", "center")),
            format=_format(values.pop("f", None)),
            quality=_quality(values.pop("q", None), values),
        )
    except ValueError:
        raise Refusal(400, f"Invalid transformation component - {component}") from None


def eager_of(field: str) -> tuple[str, ...]:
    """The transformations that an upload asks for ahead. They are noted, and made when they are fetched: one
    that is not understood here is refused then."""
    return tuple(one for one in field.split("|") if one)


def split_format(eager: str) -> tuple[str, str | None]:
    """`c_fit,w_3/jpg` as the transformation and the format it asks for, None for the asset's own."""
    head, _, tail = eager.rpartition("/")
    known = format_named(tail) if head else None
    return (head, known) if known else (eager, None)


def rendered(data: bytes, steps: Iterable[Step], target: str) -> tuple[bytes, str]:
    """The image after all steps, and its format: the last one a step names, else `target`; raises Refusal."""
    quality: int | None = None
    try:
        image: Image.Image = Image.open(BytesIO(data))
        for step in steps:
            image = _resized(image, step)
            quality = step.quality or quality
            target = step.format if step.format and step.format != "auto" else target
        return _encoded(image, target, quality or 85), target
    except (OSError, SyntaxError, ValueError):
        raise InvalidImage from None


def _resized(image: Image.Image, step: Step) -> Image.Image:
    size = _box(image, step)
    if size is None:
        return image
    if size[0] * size[1] > _MAX_PIXELS:
        raise Refusal(400, f"Maximum total number of pixels is {_MAX_PIXELS}")
    if step.crop in ("fill", "thumb"):
        return ImageOps.fit(_true_colours(image), size, centering=step.centering)
    if step.crop == "pad":
        return ImageOps.pad(_true_colours(image), size, centering=step.centering)
    if step.crop == "scale":
        return _true_colours(image).resize(size)
    if step.crop == "limit" and image.width <= size[0] and image.height <= size[1]:
        return image
    return ImageOps.contain(_true_colours(image), size)


def _box(image: Image.Image, step: Step) -> tuple[int, int] | None:
    """The asked size in pixels; a missing side follows the image's own proportions."""
    if step.width is None and step.height is None:
        return None
    width, height = _pixels(step.width, image.width), _pixels(step.height, image.height)
    if width is None:
        width = (height or image.height) * image.width / image.height
    if height is None:
        height = width * image.height / image.width
    return max(1, round(width)), max(1, round(height))


def _pixels(length: float | None, original: int) -> float | None:
    return length * original if length is not None and length < 1 else length


def _true_colours(image: Image.Image) -> Image.Image:
    if image.mode in ("RGB", "RGBA", "L"):
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _encoded(image: Image.Image, target: str, quality: int) -> bytes:
    if target == "jpg" and image.mode != "RGB":
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    out = BytesIO()
    image.save(out, PILLOW_NAMES[target], quality=quality)
    return out.getvalue()


def _length(value: str | None) -> float | None:
    if value is None:
        return None
    length = float(value)
    if not 0 < length <= 20_000:
        raise ValueError(value)
    return length


def _one_of(known: Iterable[str], value: str) -> str:
    if value not in known:
        raise ValueError(value)
    return value


def _centering(value: str) -> tuple[float, float]:
    if value.partition(":")[0] in _CENTERING_GRAVITIES:
        return 0.5, 0.5
    return _GRAVITIES[_one_of(_GRAVITIES, value)]


def _format(value: str | None) -> str | None:
    if value is None or value == "auto":
        return value
    known = format_named(value)
    if known is None:
        raise ValueError(value)
    return known


def _quality(value: str | None, left_over: dict[str, str]) -> int | None:
    if left_over:
        raise ValueError(f"not understood: {left_over}")
    if value is None or value in _QUALITY_WORDS:
        return _QUALITY_WORDS.get(value or "")
    number = int(value)
    if not 1 <= number <= 100:
        raise ValueError(value)
    return number
