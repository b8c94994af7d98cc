"""Whether bytes are an image, to their end."""

import asyncio
import hashlib
import io

from PIL import Image

from services.renderer.domain.jobs import Picture
from services.renderer.domain.troubles import Passing

_FORMATS = ("PNG", "JPEG", "WEBP")


async def examine(data: bytes) -> Picture:
    """Raises Passing (`bad_image`) where the bytes are no image or end early; decodes in a thread."""
    return await asyncio.to_thread(_examine, data)


def _examine(data: bytes) -> Picture:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            media_type = Image.MIME[image.format or ""]
            image.load()
            width, height = image.size
    # Pillow's decoders raise these for damaged bytes, depending on where the damage is.
    except (OSError, SyntaxError, ValueError, KeyError, EOFError, Image.DecompressionBombError) as error:
        reason = f"the backend's file is no whole image: {type(error).__name__}"
        raise Passing("bad_image", reason) from error
    return Picture(data, hashlib.md5(data, usedforsecurity=False).hexdigest(), media_type, width, height)
