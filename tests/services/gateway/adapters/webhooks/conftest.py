"""Somebody who calls, and somebody who is called."""

from collections.abc import AsyncIterator

import pytest

from chassis.database import Database
from tests.services.gateway.adapters.webhooks.calling import Calling, calling
from tests.services.gateway.adapters.webhooks.receiver import Receiver, receiving


@pytest.fixture
async def caller(database: Database) -> AsyncIterator[Calling]:
    """On both databases."""
    async with calling(database) as calls:
        yield calls


@pytest.fixture
async def light(sqlite: Database) -> AsyncIterator[Calling]:
    """Where the database makes no difference."""
    async with calling(sqlite) as calls:
        yield calls


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one
