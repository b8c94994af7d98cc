"""Waits for conditions, never for luck."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

#: Whatever takes longer is stuck, also on a machine that is busy with other tests.
WITHIN_SECONDS = 90.0
LOOK_SECONDS = 0.03


async def until(condition: Callable[[], Awaitable[T | None]], within: float = WITHIN_SECONDS) -> T:
    """What the condition gives, once it is true. Raises TimeoutError where it never is."""
    async with asyncio.timeout(within):
        while True:
            if value := await condition():
                return value
            await asyncio.sleep(LOOK_SECONDS)
