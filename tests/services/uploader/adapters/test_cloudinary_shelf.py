"""What is sent to Cloudinary, field by field, and which answers are believed."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chassis.cloudinary_account import open_account
from messaging.errors import Outage, PermanentError
from sandbox.cloudinary import CloudinarySettings, cloudinary
from sandbox.serving import serve
from services.uploader.adapters.cloudinary_shelf import CloudinaryShelf
from services.uploader.domain.rows import Lying, Place, Refusal, Upload
from tests.services.uploader.stage import FOLDER, Stage, digest, name, picture, public_id

DATA = picture(1)
UPLOAD = Upload(
    Place(FOLDER, name(7), 7),
    f"{name(7)}.png",
    ("darkroom", "opal-fever"),
    {"index": "7", "md5": digest(DATA)},
)
WHOLE: dict[str, Any] = {
    "public_id": public_id(7),
    "etag": digest(DATA),
    "bytes": len(DATA),
    "asset_id": "a1",
    "version": 1795248615,
    "url": "http://res.cloudinary.com/x/image/upload/v1795248615/7.png",
    "secure_url": "https://res.cloudinary.com/x/image/upload/v1795248615/7.png",
    "created_at": "2026-11-21T11:38:59Z",
    "context": {"custom": {"index": "7"}},
}


@dataclass
class Cloud:
    """A server that notes the fields of an upload and answers as it is told."""

    mode: str = "dynamic"
    answer: Any = None
    status: int = 200
    sent: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> Starlette:
        async def config(_: Request) -> Response:
            return JSONResponse({"settings": {"folder_mode": self.mode}})

        async def upload(request: Request) -> Response:
            async with request.form() as form:
                fields: dict[str, Any] = {key: value for key, value in form.items() if key != "file"}
                file: Any = form.get("file", None)
                self.sent.append(fields | ({"filename": file.filename} if file else {}))
            return Response(json.dumps(self.answer), self.status)

        return Starlette(
            routes=[
                Route("/v1_1/c/config", config),
                Route("/v1_1/c/{call:path}", upload, methods=["GET", "POST"]),
            ]
        )


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(answer=WHOLE)


@pytest.fixture
async def shelf(cloud: Cloud) -> AsyncIterator[CloudinaryShelf]:
    async with (
        serve(cloud.app()) as url,
        open_account(f"cloudinary://k:hush-hush@c?upload_prefix={url}", 2) as account,
    ):
        yield CloudinaryShelf(account)


async def test_everything_that_names_an_asset_is_said_and_nothing_is_overwritten(
    cloud: Cloud, shelf: CloudinaryShelf
) -> None:
    await shelf.put(UPLOAD, DATA)
    (sent,) = cloud.sent
    secrets = {key: sent.pop(key) for key in ("signature", "timestamp", "api_key")}
    assert len(secrets["signature"]) == 64
    assert sent == {
        "public_id": public_id(7),
        "type": "upload",
        "overwrite": "0",
        "invalidate": "0",
        "use_filename": "0",
        "unique_filename": "0",
        "use_asset_folder_as_public_id_prefix": "0",
        "asset_folder": FOLDER,
        "display_name": name(7),
        "tags": "darkroom,opal-fever",
        "context": f"index=7|md5={digest(DATA)}",
        "filename": f"{name(7)}.png",
    }


async def test_a_replacement_overwrites_and_clears_what_the_delivery_network_keeps(
    cloud: Cloud, shelf: CloudinaryShelf
) -> None:
    await shelf.put(UPLOAD, DATA, replace=True)
    assert (cloud.sent[0]["overwrite"], cloud.sent[0]["invalidate"]) == ("1", "1")


async def test_a_fixed_folder_account_is_told_no_folder_beside_the_name(
    cloud: Cloud, shelf: CloudinaryShelf
) -> None:
    cloud.mode = "fixed"
    await shelf.put(UPLOAD, DATA)
    assert not {"asset_folder", "display_name", "folder"} & set(cloud.sent[0])


async def test_the_answer_is_read_whole(shelf: CloudinaryShelf) -> None:
    lying = await shelf.put(UPLOAD, DATA)
    assert lying == Lying(
        public_id=public_id(7),
        md5=digest(DATA),
        byte_count=len(DATA),
        asset_id="a1",
        version=1795248615,
        url=WHOLE["secure_url"],
        created_at=datetime(2026, 11, 21, 11, 38, 59, tzinfo=UTC),
        context={"index": "7"},
    )


@pytest.mark.parametrize("missing", ["public_id", "etag", "bytes", "asset_id", "version", "created_at"])
@pytest.mark.parametrize("instead", [None, "", {}])
async def test_an_answer_that_is_not_whole_is_an_outage(
    cloud: Cloud, shelf: CloudinaryShelf, missing: str, instead: Any
) -> None:
    cloud.answer = {**WHOLE, missing: instead}
    with pytest.raises(Outage):
        await shelf.put(UPLOAD, DATA)


async def test_an_account_that_renames_what_it_is_given_is_told_of(
    cloud: Cloud, shelf: CloudinaryShelf
) -> None:
    cloud.answer = {**WHOLE, "public_id": "elsewhere"}
    with pytest.raises(PermanentError, match="preset"):
        await shelf.put(UPLOAD, DATA)


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        (400, "File size too large. Got 10485761. Maximum is 10485760.", "too_large"),
        (400, "Maximum image size is 25 Megapixels. Requested 26.00 Megapixels", "too_large"),
        (413, "Request Entity Too Large", "too_large"),
        (400, "Invalid image file", "invalid_image"),
        (400, "Something else", "refused"),
        (422, "Unprocessable", "refused"),
    ],
)
async def test_refusals_have_stable_codes(
    cloud: Cloud, shelf: CloudinaryShelf, status: int, words: str, code: str
) -> None:
    cloud.status, cloud.answer = status, {"error": {"message": words}}
    refusal = await shelf.put(UPLOAD, DATA)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, words in refusal.detail) == (code, True)


async def test_a_place_that_is_not_there_is_an_outage_that_says_what_to_check(
    cloud: Cloud, shelf: CloudinaryShelf
) -> None:
    cloud.status, cloud.answer = 404, {"error": {"message": "no such cloud"}}
    with pytest.raises(Outage, match="CLOUDINARY_URL"):
        await shelf.put(UPLOAD, DATA)


async def test_a_deletion_clears_what_the_delivery_network_keeps(
    cloud: Cloud, shelf: CloudinaryShelf
) -> None:
    cloud.answer = {"result": "ok"}
    await shelf.remove(public_id(7))
    told = [(fields["public_id"], fields["type"], fields["invalidate"]) for fields in cloud.sent]
    assert told == [(public_id(7), "upload", "1"), (public_id(7), "authenticated", "1")]


async def test_a_deletion_that_is_not_confirmed_is_an_outage(cloud: Cloud, shelf: CloudinaryShelf) -> None:
    cloud.answer = {"result": "pending"}
    with pytest.raises(Outage, match="pending"):
        await shelf.remove(public_id(7))


@pytest.mark.parametrize("answer", [{"public_id": "other", "bytes": 1}, {"public_id": f"{FOLDER}/index.txt"}])
async def test_an_index_file_is_believed_only_as_it_was_sent(
    cloud: Cloud, shelf: CloudinaryShelf, answer: dict[str, Any]
) -> None:
    cloud.answer = answer
    with pytest.raises(Outage):
        await shelf.write(FOLDER, 8)


@pytest.mark.parametrize("said", ["", "x", "-1", "1.5", None])
async def test_an_index_file_that_says_no_number_says_nothing(
    cloud: Cloud, shelf: CloudinaryShelf, said: str | None
) -> None:
    file = {"public_id": f"{FOLDER}/index.txt", "context": {"custom": {"next_index": said}}}
    cloud.answer = {"resources": [file]}
    assert await shelf.read([FOLDER]) == {}


@pytest.mark.parametrize("mode", ["fixed", "dynamic"])
async def test_both_folder_modes_store_under_the_same_name(tmp_path: Path, mode: Any) -> None:
    settings = CloudinarySettings(tmp_path / "assets", folder_mode=mode)
    url_of = "cloudinary://000000000000000:stand-in@darkroom?upload_prefix={}"
    async with serve(cloudinary(settings)) as url, open_account(url_of.format(url), 1) as account:
        shelf = CloudinaryShelf(account)
        await shelf.put(UPLOAD, DATA)
        await shelf.write(FOLDER, 8)
        assert await shelf.read([FOLDER, "other/characters/x/images"]) == {FOLDER: 8}
        assert set(await Stage(url, tmp_path, "").assets()) == {public_id(7)}
