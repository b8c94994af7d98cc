from io import BytesIO
from pathlib import Path

import httpx
import pytest
from cloudinary.utils import cloudinary_url
from PIL import Image

from chassis.cloudinary_delivery import WIDTHS, signed_url, thumbnail_url
from tests.sandbox.cloudinary.account import account_at, png

ID = "Areg/premade_characters/opal-fever/images/Areg_opal-fever_image_7"
STORED = f"https://res.cloudinary.com/demo/image/upload/v1795248615/{ID}.png"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_thumbnail_is_the_url_that_the_sdk_would_build(width: int) -> None:
    wish = {"width": width, "crop": "limit", "fetch_format": "auto", "quality": "auto", "format": "png"}
    built, _ = cloudinary_url(ID, secure=True, cloud_name="demo", version=1795248615, **wish)
    assert thumbnail_url(STORED, width) == built


@pytest.mark.parametrize(
    "url",
    [
        f"https://res.cloudinary.com/demo/image/authenticated/s--abcdefgh--/v1/{ID}.png",
        "https://pictures.example/image/7.png",
        "",
    ],
)
def test_what_a_transformation_would_break_stays_as_it_is(url: str) -> None:
    assert thumbnail_url(url, 256) == url


@pytest.mark.parametrize("before", ["", "s--abcdefgh--/"])
def test_a_signed_url_is_the_one_that_the_sdk_would_build(before: str) -> None:
    named = {"cloud_name": "demo", "version": 17, "format": "png", "secure": True}
    wish = {"type": "authenticated", "sign_url": True, "long_url_signature": True, "api_secret": "hush"}
    built, _ = cloudinary_url(ID, **named, **wish)
    bare = f"https://res.cloudinary.com/demo/image/authenticated/{before}v17/{ID}.png"
    assert signed_url(bare, "hush") == built


def test_what_anybody_may_fetch_is_not_signed() -> None:
    with pytest.raises(ValueError, match="authenticated"):
        signed_url(STORED, "hush")


def test_a_width_of_nothing_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="one pixel"):
        thumbnail_url(STORED, 0)


async def test_a_thumbnail_is_served_as_wide_as_asked_in_a_format_that_suits(tmp_path: Path) -> None:
    async with account_at(tmp_path) as account, httpx.AsyncClient() as http:
        stored = await account.upload(png(size=(1024, 1536)), public_id=ID)
        small = await http.get(thumbnail_url(stored["secure_url"], 256), headers={"Accept": "image/webp,*/*"})
        whole = await http.get(thumbnail_url(stored["secure_url"], 4000))
    assert small.headers["content-type"] == "image/webp"
    assert Image.open(BytesIO(small.content)).size == (256, 384)
    assert Image.open(BytesIO(whole.content)).size == (1024, 1536)
