"""What the shelf reads from storage, over real HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudinary import uploader
from PIL import Image

from chassis.cloudinary_account import Account, open_account
from messaging.errors import Outage
from sandbox.cloudinary import CloudinarySettings, cloudinary
from sandbox.serving import serve
from services.indexer.adapters import cloudinary_shelf
from services.indexer.adapters.cloudinary_shelf import CloudinaryShelf
from services.indexer.domain import Contents
from tests.services.indexer.ledgers import OPAL

IMAGE = f"{OPAL}/Areg_opal-fever_image_"


@dataclass
class Storage:
    base: str
    account: Account
    shelf: CloudinaryShelf
    http: httpx.AsyncClient

    async def hold(self, *public_ids: str) -> None:
        """Images of these names."""
        for public_id in public_ids:
            await self.account.call(uploader.upload, _png(), public_id=public_id)

    async def mirror(self, text: bytes, **options: Any) -> None:
        """An `index.txt` that says this."""
        names = {"public_id": f"{OPAL}/index.txt", "filename": "index.txt"}
        await self.account.call(uploader.upload, text, resource_type="raw", **names, **options)

    async def fault(self, **rule: Any) -> None:
        (await self.http.post(f"{self.base}/sandbox/faults", json=rule)).raise_for_status()


def _png() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (2, 2), "teal").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with (
        serve(cloudinary(CloudinarySettings(tmp_path / "assets"))) as base,
        open_account(f"cloudinary://000000000000000:stand-in@darkroom?upload_prefix={base}", 2) as account,
        httpx.AsyncClient() as http,
    ):
        yield Storage(base, account, CloudinaryShelf(account, http), http)


async def test_an_empty_folder_holds_nothing(storage: Storage) -> None:
    assert await storage.shelf.look(OPAL) == Contents(highest=0, mirror=None)


async def test_the_highest_number_counts_padded_or_not(storage: Storage) -> None:
    await storage.hold(f"{IMAGE}2", f"{IMAGE}0012", f"{IMAGE}9")
    assert (await storage.shelf.look(OPAL)).highest == 12


async def test_what_is_no_image_of_this_folder_does_not_count(storage: Storage) -> None:
    await storage.hold(
        f"{IMAGE}3",
        f"{IMAGE}7_copy",
        f"{OPAL}/Areg_other_image_50",
        f"{OPAL}/old/Areg_opal-fever_image_60",
        f"{OPAL}-old/Areg_opal-fever_image_70",
        "Areg/characters/opal-fever/images/Areg_opal-fever_image_80",
    )
    assert (await storage.shelf.look(OPAL)).highest == 3


async def test_a_folder_longer_than_a_page_is_listed_to_its_end(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloudinary_shelf, "PAGE", 2)
    await storage.hold(*(f"{IMAGE}{number}" for number in (5, 4, 3, 2, 1)))
    assert (await storage.shelf.look(OPAL)).highest == 5


async def test_the_number_beside_index_txt_is_read_without_reading_the_file(storage: Storage) -> None:
    await storage.mirror(b"8", context={"next_index": "9"})
    await storage.fault(kind="error_500", calls=["deliver"], count=None)
    assert (await storage.shelf.look(OPAL)).mirror == 9


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        (b"8", 8),
        (b" 12\n", 12),
        (b"eight", None),
        (b"-3", None),
        (b"0", None),
        (b"8 9", None),
        (b"\xff" * 99, None),
    ],
)
async def test_index_txt_alone_is_read_and_garbage_says_nothing(
    storage: Storage, text: bytes, mirror: int | None
) -> None:
    await storage.mirror(text)
    assert (await storage.shelf.look(OPAL)).mirror == mirror


@pytest.mark.parametrize("kind", ["drop", "html_502", "error_500", "limited_420", "unauthorized", "refused"])
@pytest.mark.parametrize("call", ["resources", "resource", "deliver"])
async def test_storage_that_does_not_say_is_an_outage_and_never_an_empty_folder(
    storage: Storage, kind: str, call: str
) -> None:
    await storage.mirror(b"8")
    await storage.fault(kind=kind, calls=[call], count=None)
    with pytest.raises(Outage):
        await storage.shelf.look(OPAL)
