"""Databases of both kinds."""

from pathlib import Path

import pytest


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
