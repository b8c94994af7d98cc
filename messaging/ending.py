"""The end of a task that is not wanted any more, also where a library loses the word."""

import asyncio
from collections.abc import Iterable
from typing import Any

#: Seconds after which a task that did not hear that it should end is told again. Longer than what a task does
#: on purpose once it has heard it: that would be cut short.
AGAIN = 3.0


async def ended(tasks: Iterable[asyncio.Future[Any]], again: float = AGAIN) -> None:
    """Cancels them until all have ended. What they raise is nobody's business any more.

    One cancellation may not be enough: Python 3.11's `wait_for` loses one that comes as its work ends, and an
    error of the same moment hides it from a loop that goes on after errors.
    """
    told = list(tasks)
    left = set(told)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again)
    await asyncio.gather(*told, return_exceptions=True)
