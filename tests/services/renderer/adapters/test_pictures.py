"""Bytes are an image to their end, or none."""

import hashlib
import io

import pytest
from PIL import Image

from services.renderer.adapters.pictures import examine
from services.renderer.domain.troubles import Passing


def encoded(kind: str) -> bytes:
    made = io.BytesIO()
    Image.effect_noise((64, 48), 50).convert("RGB").save(made, kind)
    return made.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_an_image_is_known_by_its_content(kind: str) -> None:
    data = encoded(kind)
    picture = await examine(data)
    assert (picture.media_type, picture.width, picture.height) == (f"image/{kind.lower()}", 64, 48)
    assert picture.md5 == hashlib.md5(data).hexdigest()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html><body>login</body></html>",
        encoded("PNG")[:-200],
        encoded("JPEG")[:-200],
        encoded("PNG")[:20],
        encoded("GIF"),
    ],
)
async def test_anything_less_is_none(data: bytes) -> None:
    with pytest.raises(Passing) as trouble:
        await examine(data)
    assert trouble.value.code == "bad_image"
