"""Commands that people type: what they say when something is wrong, and what they leave when nothing is."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from PIL import Image

from sandbox.ensemble import StandIns
from tests.journeys.around import upload
from tests.journeys.process import Ended, ran
from tests.journeys.story import picture
from tests.journeys.waiting import until

#: Variable -> a value that can't be used, and what is said about it.
WRONG = {
    "RENDERER_URLS": ("ftp://nowhere", "RENDERER_URLS"),
    "CLOUDINARY_URL": (
        "'cloudinary://key:geheim@cloud'",
        "CLOUDINARY_URL is not cloudinary://KEY:SECRET@CLOUD_NAME",
    ),
    "JWT_SECRET": ("short", "JWT_SECRET is shorter than 32 bytes"),
    "DATABASE_URL": ("mysql://user:geheim@host/db", "DATABASE_URL"),
    "HOST": ("0.0.0.0", "the development key opens a system on loopback only"),
}


@pytest.mark.slow
async def test_a_wrong_setting_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    endings = await asyncio.gather(*(_with(name, value, tmp_path) for name, (value, _) in WRONG.items()))
    for ended, (name, (_, sentence)) in zip(endings, WRONG.items(), strict=True):
        assert ended.status == 2, (name, ended)
        assert sentence in ended.error, name
        assert "Traceback" not in ended.error, name
        assert "geheim" not in ended.error, name


@pytest.mark.slow
async def test_the_demo_shows_its_promises_kept(tmp_path: Path) -> None:
    ended = await _demo(tmp_path)
    assert ended.status == 0, ended.error
    for promise in ("numbered once", "always ends", "never overwritten", "paid once"):
        assert f"kept   {promise}" in ended.out
    with Image.open(tmp_path / "contact-sheet.png") as sheet:
        assert min(sheet.size) > 500
    batches = json.loads((tmp_path / "batches.json").read_text())
    assert sorted(batch["quantity"] for batch in batches) == [1, 2, 2, 4, 4, 8]


@pytest.mark.slow
async def test_the_demo_fails_when_somebody_overwrites_an_image(tmp_path: Path) -> None:
    """The breach is a real one: another holder of the key uploads over an image while the demo runs."""
    demo = asyncio.create_task(_demo(tmp_path))
    async with httpx.AsyncClient() as client:
        storage = await until(lambda: _storage(tmp_path))
        name = await until(lambda: _first_image(client, storage))
        await upload(client, StandIns(storage=storage).urls()["CLOUDINARY_URL"], name, picture())
    ended = await demo
    assert ended.status == 1, ended.error
    assert "BROKEN never overwritten" in ended.out
    assert f"{name} was overwritten 1 times" in ended.out
    assert "kept   numbered once" in ended.out


async def _with(name: str, value: str, folder: Path) -> Ended:
    known = {"VAR_DIR": str(folder / name), "PORT": "0", name: value}
    return await ran("-m", "services", known=known)


async def _demo(folder: Path) -> Ended:
    return await ran("-m", "cli", "demo", "--folder", str(folder), known={}, within=90)


async def _storage(folder: Path) -> str | None:
    """The address of the demo's Cloudinary, which is the last of its stand-ins."""
    ports = folder / "sandbox" / "ports.json"
    text = ports.read_text() if ports.exists() else ""
    return f"http://127.0.0.1:{json.loads(text)[-1]}" if text else None


async def _first_image(client: httpx.AsyncClient, storage: str) -> str | None:
    try:
        assets = (await client.get(f"{storage}/sandbox/assets")).json()["assets"]
    except httpx.TransportError:
        return None
    return next((asset["public_id"] for asset in assets if asset["resource_type"] == "image"), None)
