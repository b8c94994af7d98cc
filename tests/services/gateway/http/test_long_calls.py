"""A key's lease while its call is under way."""

import asyncio
from typing import Any, cast

import pytest

from services.gateway.adapters.http import idempotency
from services.gateway.ports import KeyName, Keys

NAME = KeyName("Areg", "askForBatch", "k")


class Watched:
    """As much of the keys as a call that is under way touches."""

    def __init__(self) -> None:
        self.extended: list[KeyName] = []

    async def extend(self, name: KeyName) -> None:
        self.extended.append(name)


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "LEASE", 0.3)


async def under_way(seconds: float) -> Watched:
    keys: Any = Watched()
    async with idempotency._held(cast(Keys, keys), NAME):
        await asyncio.sleep(seconds)
    return cast(Watched, keys)


async def test_the_key_of_a_call_that_takes_long_is_held_again_and_again() -> None:
    assert len((await under_way(0.8)).extended) >= 2


async def test_the_key_of_a_short_call_is_not_touched_and_nothing_is_left_behind() -> None:
    before = asyncio.all_tasks()
    keys = await under_way(0)
    await asyncio.sleep(0.3)
    assert keys.extended == []
    assert asyncio.all_tasks() == before
