"""A gallery whose database was lost comes back from storage."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cloudinary import uploader
from PIL import Image

from chassis.cloudinary_account import Account, open_account
from chassis.database import Database
from chassis.settings import read
from cli import rebuilding
from cli.rebuilding import RebuildSettings, rebuilt
from contracts import names
from sandbox.cloudinary import CloudinarySettings, cloudinary
from sandbox.serving import serve
from services.gateway.adapters.http.orders import character_id_of
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.sql_pictures import SqlPictures
from services.gateway.adapters.sql_rebuilding import Tally
from services.gateway.adapters.sql_registry import SqlRegistry
from services.gateway.adapters.tables import IMAGES
from services.gateway.domain.images import ImageState, Status
from tests.services.gateway.databases import emptied, opened, rows
from tests.services.gateway.events import reserved, stored
from tests.services.gateway.readings import tell

OWN, PREMADE = "Areg/characters/my-muse/images", "Areg/premade_characters/opal-fever/images"
MUSE, OPAL = character_id_of("Areg", "my-muse", False), character_id_of("Admin", "opal-fever", True)


@dataclass
class Storage:
    account: Account
    settings: RebuildSettings
    database: Database

    async def hold(self, folder: str, index: int, tags: tuple[str, ...] = (), **context: str) -> Any:
        """An image as the uploader stores it."""
        username, _, slug, _ = folder.split("/")
        public_id = names.public_id(folder, names.image_name(username, slug, index))
        return await self.account.call(
            uploader.upload, _png(index), public_id=public_id, tags=["darkroom", *tags], context=context
        )

    async def rebuilt(self, username: str = "", premade_owner: str | None = None) -> Tally:
        return await rebuilt(self.settings, username, premade_owner)

    async def gallery(self, character_id: str, username: str = "Areg") -> list[ImageState]:
        _, images = await SqlPictures(self.database).newest(character_id, username, 100)
        return list(images)


def _png(index: int) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (index, 2), "teal").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    database_url = f"sqlite+aiosqlite:///{tmp_path}/gateway.db"
    async with serve(cloudinary(CloudinarySettings(tmp_path / "assets"))) as base:
        url = f"cloudinary://000000000000000:stand-in@darkroom?upload_prefix={base}"
        told = {"CLOUDINARY_URL": url, "DATABASE_URL": database_url}
        async with open_account(url, 2) as account, opened(database_url) as database:
            yield Storage(account, read(RebuildSettings, told), database)


async def test_images_come_back_as_storage_tells_of_them(storage: Storage) -> None:
    told = await storage.hold(OWN, 7, batch="b1", ordinal="1", job="b1/1/2", md5="a" * 32)
    await storage.hold(OWN, 8, ("placeholder",), batch="b1", ordinal="2", job="b1/2/1")
    tally = await storage.rebuilt()
    assert (tally.added, tally.known, tally.foreign, tally.unregistered) == (2, 0, 0, 0)
    blank, image = sorted(await storage.gallery(MUSE), key=lambda image: -image.index)
    assert image.asset is not None
    assert (image.batch_id, image.ordinal, image.round, image.index) == ("b1", 1, 2, 7)
    assert (image.asset.url, image.asset.version) == (told["secure_url"], told["version"])
    assert (image.asset.md5, image.asset.width, image.asset.media_type) == ("a" * 32, 7, "image/png")
    assert image.asset.created_at.isoformat()[:19] == told["created_at"][:19]
    assert (image.status, blank.status) == (Status.SUCCEEDED, Status.PLACEHOLDER)
    character = await SqlRegistry(storage.database).find(MUSE, "Areg")
    assert character is not None
    assert (character.name, character.slug, character.owner) == ("My Muse", "my-muse", "Areg")


async def test_the_old_gallery_answers_as_before_the_database_was_lost(storage: Storage) -> None:
    told = await storage.hold(PREMADE, 11, batch="b1", ordinal="0", job="b1/0/1", md5=f"{0:032x}")
    event = stored(index=11).model_copy(update={"url": told["secure_url"], "version": told["version"]})
    await tell(SqlGallery(storage.database), reserved(quantity=1), event)
    (before,) = await storage.gallery("chr_opal")
    await emptied(storage.database)
    await storage.rebuilt(premade_owner="Admin")
    (after,) = await storage.gallery(OPAL)
    assert before.asset is not None
    assert after.asset is not None
    for part in ("url", "public_id", "name", "index", "md5", "placeholder"):
        assert getattr(after.asset, part) == getattr(before.asset, part), part


async def test_rebuilding_again_changes_nothing(storage: Storage) -> None:
    await storage.hold(OWN, 1, batch="b1", ordinal="0", job="b1/0/1")
    await storage.rebuilt()
    once = await rows(storage.database, IMAGES)
    tally = await storage.rebuilt()
    assert (tally.added, tally.known) == (0, 1)
    assert await rows(storage.database, IMAGES) == once


async def test_what_the_gallery_knows_is_better_than_what_storage_tells(storage: Storage) -> None:
    await storage.hold(PREMADE, 11, batch="b1", ordinal="0", job="b1/0/1")
    await tell(SqlGallery(storage.database), reserved(), stored())
    tally = await storage.rebuilt()
    assert (tally.added, tally.known) == (0, 1)
    image = (await storage.gallery("chr_opal"))[0]
    assert image.asset == stored()


async def test_images_without_context_keep_their_numbers_and_have_no_two_places(storage: Storage) -> None:
    for index in (1, 999, 1000, 1001):
        await storage.hold(OWN, index)
    assert (await storage.rebuilt()).added == 4
    assert (await storage.rebuilt()).known == 4
    images = await storage.gallery(MUSE)
    assert sorted(image.index for image in images) == [1, 999, 1000, 1001]
    assert len({(image.batch_id, image.ordinal) for image in images}) == 4


async def test_other_assets_are_left_alone(storage: Storage) -> None:
    for public_id in ("sample", "Areg/holiday", f"{OWN}/Nare_my-muse_image_1"):
        await storage.account.call(uploader.upload, _png(1), public_id=public_id)
    tally = await storage.rebuilt()
    assert (tally.added, tally.foreign) == (0, 3)


async def test_a_premade_character_needs_the_name_of_who_registered_it(storage: Storage) -> None:
    await storage.hold(PREMADE, 1)
    assert (await storage.rebuilt()).unregistered == 1
    assert (await storage.rebuilt(premade_owner="Admin")).added == 1
    assert [image.index for image in await storage.gallery(OPAL)] == [1]


async def test_one_users_images_can_be_rebuilt_alone_page_by_page(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "PAGE", 2)
    for index in range(1, 6):
        await storage.hold(OWN, index)
    await storage.hold(OWN.replace("Areg", "Nare"), 1)
    await storage.hold(OWN.replace("Areg", "Areg2"), 1)
    assert (await storage.rebuilt("Areg")).added == 5
    assert await storage.gallery(character_id_of("Nare", "my-muse", False), "Nare") == []


async def test_the_command_says_what_it_did(storage: Storage) -> None:
    await storage.hold(OWN, 1)
    await storage.hold(PREMADE, 1)
    urls = {
        "CLOUDINARY_URL": storage.settings.cloudinary_url.get_secret_value(),
        "DATABASE_URL": storage.settings.database_url.get_secret_value(),
    }
    done = await asyncio.to_thread(darkroom, urls)
    assert done.returncode == 0, done.stderr
    assert "1 images added, 0 were there, 0 assets are no images" in done.stdout
    assert "--premade-owner" in done.stdout


def test_the_command_says_which_urls_it_needs() -> None:
    done = darkroom({})
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "CLOUDINARY_URL" in done.stderr
    assert "DATABASE_URL" in done.stderr


def darkroom(urls: dict[str, str]) -> subprocess.CompletedProcess[str]:
    names = ("CLOUDINARY_URL", "DATABASE_URL")
    environment = {name: value for name, value in os.environ.items() if name not in names} | urls
    command = [sys.executable, "-m", "cli", "gallery", "rebuild"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
