"""What Pillow can tell about uploaded bytes, and the formats the service knows."""

import hashlib
from io import BytesIO

from PIL import Image

from sandbox.cloudinary.asset import Content
from sandbox.cloudinary.refusals import Refusal

#: Cloudinary's word for a format, and Pillow's.
PILLOW_NAMES = {
    "png": "PNG",
    "jpg": "JPEG",
    "webp": "WEBP",
    "gif": "GIF",
    "avif": "AVIF",
    "bmp": "BMP",
    "tiff": "TIFF",
    "ico": "ICO",
}
_FORMATS = {pillow: name for name, pillow in PILLOW_NAMES.items()}
_ALIASES = {"jpeg": "jpg", "jpe": "jpg", "tif": "tiff"}


class InvalidImage(Refusal):
    """The bytes are no image, or a damaged one."""

    def __init__(self) -> None:
        super().__init__(400, "Invalid image file")


def format_named(name: str) -> str | None:
    """`jpeg` and `.JPG` are `jpg`; None for what is no image format here."""
    lowered = name.lower().lstrip(".")
    known = _ALIASES.get(lowered, lowered)
    return known if known in PILLOW_NAMES else None


def image_content(data: bytes, max_pixels: int) -> Content:
    """Format, size and md5 of an image; raises InvalidImage, or Refusal for too many pixels.

    The header is read and the file's own checksums are verified; the pixels are not decoded, which would take
    longer than everything else in an upload.
    """
    try:
        image = Image.open(BytesIO(data), formats=tuple(_FORMATS))
        (width, height), pillow_name = image.size, image.format
        if width * height <= max_pixels:
            image.verify()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refusal(400, f"Maximum image size is {max_pixels / 1e6:g} Megapixels") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError):
        raise InvalidImage from None
    if width * height > max_pixels:
        asked = f"{width * height / 1e6:.2f}"
        raise Refusal(
            400, f"Maximum image size is {max_pixels / 1e6:g} Megapixels. Requested {asked} Megapixels"
        )
    return Content(md5(data), len(data), _FORMATS[pillow_name or ""], width, height)


def raw_content(data: bytes) -> Content:
    return Content(md5(data), len(data))


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
