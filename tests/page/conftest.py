from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from messaging.memory import MemoryBus
from tests.journeys.around import Around, around
from tests.journeys.conftest import _no_variables, _quiet  # noqa: F401  the journeys' own ground
from tests.journeys.system import System, running
from tests.page.browser import browser

#: Long enough to be looked at in the middle.
RENDER_SECONDS = 0.4


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[Around]:
    async with around(tmp_path, RENDER_SECONDS) as made:
        yield made


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
async def system(bus: MemoryBus, beside: Around, tmp_path: Path) -> AsyncIterator[System]:
    hosts = {"IMAGE_HOSTS": str(beside.where.storage)}
    async with running(bus, beside, tmp_path / "var", **hosts) as started:
        yield started


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with browser() as started:
        yield started
