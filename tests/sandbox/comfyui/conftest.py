"""A stand-in of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.comfyui import Settings
from tests.sandbox.comfyui.server import Server, running


@pytest.fixture
async def comfy(tmp_path: Path) -> AsyncIterator[Server]:
    async with running(Settings(files=tmp_path)) as server:
        yield server


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Server]:
    """KSampler takes so long that the test always comes first; everything else is quick."""
    async with running(Settings(files=tmp_path)) as server:
        await server.fault(kind="stall", node_type="KSampler", seconds=4, times=None)
        yield server
