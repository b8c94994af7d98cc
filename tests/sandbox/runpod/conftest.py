"""A stand-in of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.runpod import Settings
from tests.sandbox.runpod.cloud import Cloud, running


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running(Settings(files=tmp_path)) as found:
        yield found


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Cloud]:
    """One worker whose sampler takes so long that the test always comes first; all else is quick."""
    async with running(Settings(files=tmp_path, max_workers=1)) as found:
        await found.fault("stall", node_type="KSampler", seconds=30, times=None)
        yield found
