from io import BytesIO

import httpx
import pytest
from cloudinary.utils import cloudinary_url
from PIL import Image

from tests.sandbox.cloudinary.account import Account, png


def at_stand_in(account: Account, public_id: str, **options: object) -> str:
    """The path of the URL that the SDK builds offline."""
    settings = account.settings
    named = {"cloud_name": settings.cloud_name, "api_secret": settings.api_secret}
    url, _ = cloudinary_url(public_id, secure=True, **named, **options)
    return str(httpx.URL(url).raw_path, "ascii")


async def test_the_urls_that_the_sdk_builds_offline_give_thumbnails(account: Account) -> None:
    stored = await account.upload(png(size=(100, 50)), public_id="u_2/ann_image_7")
    options = {
        "width": 20,
        "height": 20,
        "crop": "fill",
        "gravity": "auto",
        "quality": "auto",
        "fetch_format": "auto",
    }
    path = at_stand_in(account, "u_2/ann_image_7", version=stored["version"], **options)
    modern = await account.http.get(path, headers={"Accept": "image/avif,image/webp,*/*"})
    plain = await account.http.get(path, headers={"Accept": "image/png"})
    assert (modern.headers["content-type"], plain.headers["content-type"]) == ("image/webp", "image/png")
    assert Image.open(BytesIO(modern.content)).size == (20, 20)
    assert "Accept" in modern.headers["vary"].split(", ")


@pytest.mark.parametrize(("extension", "kind"), [("jpg", "JPEG"), ("webp", "WEBP"), ("png", "PNG")])
async def test_an_extension_asks_for_a_format(account: Account, extension: str, kind: str) -> None:
    await account.upload(png(), public_id="a/b")
    answer = await account.http.get(f"/darkroom/image/upload/a/b.{extension}")
    assert Image.open(BytesIO(answer.content)).format == kind


async def test_headers_let_caches_and_pages_of_other_origins_use_the_image(account: Account) -> None:
    stored = await account.upload(png(), public_id="a")
    answer = await account.http.get(stored["secure_url"], headers={"Origin": "https://example.com"})
    assert answer.headers["etag"] == f'"{stored["etag"]}"'
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"].endswith("max-age=2592000, immutable")
    again = await account.http.get(stored["secure_url"], headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "immutable" not in (await account.http.get("/darkroom/image/upload/a")).headers["cache-control"]


async def test_an_overwritten_image_is_served_anew_also_as_a_thumbnail(account: Account) -> None:
    path = "/darkroom/image/upload/w_2/a.png"
    await account.upload(png("red"), public_id="a")
    before = await account.http.get(path)
    await account.upload(png("blue"), public_id="a")
    after = await account.http.get(path)
    assert Image.open(BytesIO(before.content)).getpixel((0, 0)) == (255, 0, 0)
    assert Image.open(BytesIO(after.content)).getpixel((0, 0)) == (0, 0, 255)
    assert before.headers["etag"] != after.headers["etag"]


async def test_head_tells_the_size_without_the_bytes(account: Account) -> None:
    stored = await account.upload(png(), public_id="a")
    answer = await account.http.head(stored["secure_url"])
    assert (answer.headers["content-length"], answer.content) == (str(stored["bytes"]), b"")


@pytest.mark.parametrize("options", [{}, {"signature_algorithm": "sha256"}, {"long_url_signature": True}])
async def test_a_private_image_needs_a_signed_url(account: Account, options: dict[str, object]) -> None:
    stored = await account.upload(png(), public_id="a/b", type="authenticated")
    assert (
        await account.http.get(f"/darkroom/image/authenticated/v{stored['version']}/a/b.png")
    ).status_code == 401
    asked = {"type": "authenticated", "version": stored["version"], "width": 3, "crop": "scale"}
    signed = at_stand_in(account, "a/b", sign_url=True, **asked, **options)
    assert (await account.http.get(signed)).status_code == 200
    assert (await account.http.get(signed.replace("w_3", "w_4"))).status_code == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/darkroom/image/upload/missing", 404),
        ("/darkroom/raw/upload/a", 404),
        ("/other/image/upload/a", 404),
        ("/darkroom/image/upload/e_blur/a", 400),
    ],
)
async def test_what_cannot_be_served_is_said_in_the_header(account: Account, path: str, status: int) -> None:
    await account.upload(png(), public_id="a")
    answer = await account.http.get(path)
    assert answer.status_code == status
    assert answer.headers["x-cld-error"]
