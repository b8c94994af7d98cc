"""A stage for the uploader: a stand-in for Cloudinary on a real port, blobs in a folder, either database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis import cloudinary_gate
from sandbox.cloudinary import CloudinarySettings, cloudinary
from sandbox.serving import serve
from tests.services.uploader.stage import Replica, Stage, replica


@pytest.fixture(autouse=True)
def no_long_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a rate limit or a refused account; how long they are is tested with the account."""
    monkeypatch.setattr(cloudinary_gate, "LIMITED_RESTS", (0.05,))
    monkeypatch.setattr(cloudinary_gate, "UNAUTHORIZED_RESTS", (0.05,))
    monkeypatch.setattr(cloudinary_gate, "SPREAD", 0.05)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/uploader.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """On SQLite; for what does not depend on the database."""
    settings = CloudinarySettings(tmp_path / "assets", max_image_bytes=20_000)
    async with serve(cloudinary(settings)) as url:
        yield Stage(url, tmp_path / "blobs", f"sqlite+aiosqlite:///{tmp_path}/uploader.db")


@pytest.fixture
async def each_stage(stage: Stage, database_url: str) -> Stage:
    """On SQLite and on PostgreSQL."""
    return Stage(stage.url, stage.blobs, database_url)


@pytest.fixture
async def uploader(stage: Stage) -> AsyncIterator[Replica]:
    async with replica(stage) as opened:
        yield opened
