"""Both databases for whatever asks for `database`, and PostgreSQL alone for races."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.database import Database
from tests.services.gateway.databases import opened


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/gateway.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with opened(database_url) as database:
        yield database


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    async with opened(f"sqlite+aiosqlite:///{tmp_path}/gateway.db") as database:
        yield database


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Database]:
    async with opened(postgres_url) as database:
        yield database


@pytest.fixture
async def other(postgres_url: str) -> AsyncIterator[Database]:
    """The connections of another replica."""
    async with opened(postgres_url) as database:
        yield database
