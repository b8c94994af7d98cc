"""A door for every test of the gateway's HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.services.gateway.http.door import Door, opened


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(tmp_path) as door:
        yield door
