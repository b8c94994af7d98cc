import asyncio
import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudinary.exceptions import BadRequest, Error
from cloudinary.utils import api_sign_request

from tests.sandbox.cloudinary.account import SECRET, Account, account_at, picture, png

KEYED: dict[str, Any] = {"overwrite": False, "unique_filename": False, "use_filename": False}


async def test_an_image_is_stored_and_its_url_gives_the_very_bytes(account: Account) -> None:
    data = png(size=(30, 20))
    answer = await account.upload(data, public_id="premade/alice/ann_image_7")
    assert answer["etag"] == hashlib.md5(data).hexdigest()
    assert (answer["bytes"], answer["width"], answer["height"], answer["format"]) == (
        len(data),
        30,
        20,
        "png",
    )
    assert answer["public_id"] == "premade/alice/ann_image_7"
    assert answer["secure_url"].endswith(f"/v{answer['version']}/premade/alice/ann_image_7.png")
    assert (await account.http.get(answer["secure_url"])).content == data


async def test_a_repeated_upload_answers_with_the_stored_asset_whatever_it_carries(account: Account) -> None:
    first = await account.upload(png("red"), public_id="a", context={"job": "1"}, **KEYED)
    second = await account.upload(png("blue"), public_id="a", context={"job": "2"}, **KEYED)
    assert first.pop("existing") is False
    assert second.pop("existing") is True
    assert {**second, "request_id": ""} == {**first, "request_id": ""}
    assert await account.stats() | {"calls": {}} == {
        "assets": 1,
        "uploads": 1,
        "overwrites": 0,
        "existing": 1,
        "admin_calls": 0,
        "calls": {},
        "faults": {},
    }


async def test_a_repeat_is_answered_before_its_bytes_are_looked_at(account: Account) -> None:
    await account.upload(png(), public_id="a", **KEYED)
    assert (await account.upload(b"no image", public_id="a", **KEYED))["existing"] is True


async def test_of_uploads_at_the_same_moment_one_wins_and_the_others_hear_of_it(account: Account) -> None:
    colours = ["red", "green", "blue", "white", "black", "gray"]
    answers = await asyncio.gather(*(account.upload(png(c), public_id="a", **KEYED) for c in colours))
    assert sorted(answer["existing"] for answer in answers) == [False] + [True] * 5
    assert len({answer["etag"] for answer in answers}) == 1


async def test_overwriting_is_the_default_and_clears_tags_and_context(account: Account) -> None:
    first = await account.upload(png("red"), public_id="a", tags=["x"], context={"k": "v"})
    second = await account.upload(png("blue"), public_id="a")
    assert "overwritten" not in first
    assert "existing" not in first
    assert second["overwritten"] is True
    assert second["asset_id"] == first["asset_id"]
    assert second["version"] > first["version"]
    assert second["tags"] == []
    assert "context" not in second


async def test_a_raw_file_has_no_size_in_pixels_and_keeps_its_extension(account: Account) -> None:
    place = {"resource_type": "raw", "public_id": "a/images/index.txt", "filename": "index.txt"}
    answer = await account.upload(b"8", context={"next_index": "8"}, **place)
    assert not {"width", "height", "format"} & set(answer)
    assert answer["original_filename"] == "index"
    assert answer["context"] == {"custom": {"next_index": "8"}}
    assert answer["secure_url"].endswith("/raw/upload/v" + str(answer["version"]) + "/a/images/index.txt")
    assert (await account.http.get(answer["secure_url"])).content == b"8"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_the_answer_is_signed_so_that_the_sdk_can_verify_it(account: Account, algorithm: str) -> None:
    answer = await account.upload(png(), public_id="a", signature_algorithm=algorithm)
    signed = {"public_id": "a", "version": answer["version"]}
    assert answer["signature"] == api_sign_request(signed, SECRET, algorithm, 1)


async def test_a_damaged_image_is_refused(account: Account) -> None:
    for data in (b"no image", png()[:-10], png().replace(b"IDAT", b"IDAX")):
        with pytest.raises(BadRequest, match="Invalid image file"):
            await account.upload(data, public_id="a")
    assert await account.assets() == []


async def test_a_file_or_an_image_too_large_for_the_plan_is_refused(tmp_path: Path) -> None:
    async with account_at(tmp_path, max_image_bytes=900, max_image_pixels=1000) as account:
        with pytest.raises(BadRequest, match=r"File size too large\. Got 901\. Maximum is 900\."):
            await account.upload(b"x" * 901, public_id="a")
        with pytest.raises(BadRequest, match="Megapixels"):
            await account.upload(png(size=(100, 100)), public_id="a")


async def test_a_request_over_the_ceiling_is_413_and_a_plain_error_of_the_sdk(tmp_path: Path) -> None:
    async with account_at(tmp_path, max_request_bytes=1000) as account:
        with pytest.raises(Error, match="Maximum is 1000") as caught:
            await account.upload(b"x" * 2000, resource_type="raw")
        assert type(caught.value) is Error


async def test_an_upload_without_a_file_is_refused(account: Account) -> None:
    with pytest.raises(BadRequest, match="Missing required parameter - file"):
        await account.upload(b"", public_id="a")


async def test_a_data_uri_is_stored_and_a_url_is_not_fetched(account: Account) -> None:
    icon = "data:image/png;base64," + base64.b64encode(png(size=(16, 16))).decode()
    assert (await account.upload(icon))["width"] == 16
    with pytest.raises(BadRequest, match="not fetched"):
        await account.upload("https://example.com/a.png")


async def test_without_a_public_id_one_is_made_up(account: Account) -> None:
    options = {"filename": "logo.png"}
    assert re.fullmatch("[a-z0-9]{20}", (await account.upload(png(), **options))["public_id"])
    named = await account.upload(png(), use_filename=True, **options)
    assert re.fullmatch("logo_[a-z0-9]{6}", named["public_id"])
    plain = await account.upload(png(), use_filename=True, unique_filename=False, **options)
    assert plain["public_id"] == "logo"
    raw = await account.upload(b"1", resource_type="raw", filename="index.txt")
    assert re.fullmatch(r"[a-z0-9]{20}\.txt", raw["public_id"])


async def test_an_altered_public_id_is_answered_as_it_was_stored(account: Account) -> None:
    assert (await account.upload(png(), public_id="a/b*c"))["public_id"] == "a/b_c"
    with pytest.raises(BadRequest, match=r"public_id \(a/#1\) is invalid"):
        await account.upload(png(), public_id="a/#1")


async def test_with_dynamic_folders_the_public_id_says_nothing_about_the_folder(account: Account) -> None:
    answer = await account.upload(png(), public_id="a/b")
    assert (answer["asset_folder"], answer["display_name"]) == ("", "b")
    placed = await account.upload(png(), public_id="a/c", asset_folder="a", display_name="C")
    assert (placed["public_id"], placed["asset_folder"], placed["display_name"]) == ("a/c", "a", "C")
    prefixed = await account.upload(
        png(), public_id="d", asset_folder="a", use_asset_folder_as_public_id_prefix=True
    )
    assert prefixed["public_id"] == "a/d"
    doubled = await account.upload(png(), public_id="a/d", folder="a")
    assert doubled["public_id"] == "a/a/d"


async def test_with_fixed_folders_the_public_id_is_the_folder(tmp_path: Path) -> None:
    async with account_at(tmp_path, folder_mode="fixed") as account:
        answer = await account.upload(png(), public_id="a/b", asset_folder="x", display_name="y")
        assert answer["folder"] == "a"
        assert not {"asset_folder", "display_name"} & set(answer)
        assert (await account.upload(png(), public_id="b", folder="c/d"))["public_id"] == "c/d/b"


async def test_an_unknown_kind_becomes_what_its_bytes_are(account: Account) -> None:
    assert (await account.upload(png(), resource_type="auto"))["resource_type"] == "image"
    assert (await account.upload(b"text", resource_type="auto"))["resource_type"] == "raw"


async def test_an_incoming_format_changes_the_stored_bytes_and_the_etag(account: Account) -> None:
    data = png()
    answer = await account.upload(data, format="jpg", width=3, crop="scale")
    assert (answer["format"], answer["width"]) == ("jpg", 3)
    assert answer["etag"] != hashlib.md5(data).hexdigest()


async def test_only_allowed_formats_are_taken(account: Account) -> None:
    assert (await account.upload(picture("WEBP"), allowed_formats=["webp"]))["format"] == "webp"
    with pytest.raises(BadRequest, match="not allowed"):
        await account.upload(png(), allowed_formats=["jpg"])


async def test_a_chunk_of_a_file_is_refused(account: Account) -> None:
    with pytest.raises(BadRequest, match="send the file whole"):
        await account.upload(b"12", resource_type="raw", http_headers={"Content-Range": "bytes 0-1/9"})


async def test_a_form_without_multipart_is_read_too(account: Account) -> None:
    fields = {"timestamp": "9999999999", "public_id": "a", "file": "data:;base64,OA=="}
    signed = {name: value for name, value in fields.items() if name != "file"}
    signature = api_sign_request(signed, SECRET)
    form = {**fields, "signature": signature, "api_key": account.settings.api_key}
    answer: httpx.Response = await account.http.post("/v1_1/darkroom/raw/upload", data=form)
    assert answer.json()["bytes"] == 1
