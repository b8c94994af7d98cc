"""Databases of both kinds, and blob stores of both kinds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.blobs import Blobs, open_blobs
from tests.chassis.blob_stores import Beside, InBucket, InFolder
from tests.s3.server import LOGIN, S3Server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each kind in turn, empty."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def postgresql_url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture(params=["folder", "s3"])
def beside(request: pytest.FixtureRequest, tmp_path: Path) -> Beside:
    """Each kind of blob store in turn, empty, as others see it."""
    if request.param == "folder":
        folder = InFolder(tmp_path / "blobs")
        folder.root.mkdir()
        return folder
    server: S3Server = request.getfixturevalue("s3")
    return InBucket(server, server.new_bucket())


@pytest.fixture
async def blobs(beside: Beside) -> AsyncIterator[Blobs]:
    """The same store as we see it."""
    async with open_blobs(beside.url, LOGIN) as opened:
        yield opened
