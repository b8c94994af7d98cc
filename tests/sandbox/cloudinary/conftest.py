"""The account that most tests use: dynamic folders, limits of the Free plan."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sandbox.cloudinary.account import Account, account_at


@pytest.fixture
async def account(tmp_path: Path) -> AsyncIterator[Account]:
    async with account_at(tmp_path) as account:
        yield account
