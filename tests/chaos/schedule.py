"""What happens when, drawn from a seed: deaths of processes, mishaps of backends, until the work is over."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.distributed.processes import Replica
from tests.journeys.around import Around

#: A rule for a stand-in.
Mishap = Mapping[str, Any]
#: What a schedule is over with.
Over = asyncio.Event


async def deaths(
    replicas: Sequence[Replica], seed: int, most: int, pauses: tuple[float, float], over: Over
) -> Counter[str]:
    """SIGKILL to one of these after each pause, in seconds, and a start at once; who died how often."""
    dice = random.Random(seed)
    died: Counter[str] = Counter()
    while died.total() < most and not await _over_within(dice.uniform(*pauses), over):
        victim = dice.choice(replicas)
        await victim.kill()
        await victim.start()
        died[victim.name] += 1
    return died


async def mishaps(
    around: Around, backends: Sequence[str], kinds: Sequence[Mishap], pauses: tuple[float, float], over: Over
) -> None:
    """Every kind once at the start, so that none finds its work already done; then one mishap after each
    pause, at one of these backends, and each kind has had its turn before any has another."""
    dice = random.Random(len(kinds))
    for kind in dice.sample(kinds, len(kinds)):
        await around.trouble_backend(dice.choice(backends), kind)
    while True:
        for kind in dice.sample(kinds, len(kinds)):
            if await _over_within(dice.uniform(*pauses), over):
                return
            await around.trouble_backend(dice.choice(backends), kind)


@asynccontextmanager
async def running(*schedules: Any) -> AsyncIterator[asyncio.Future[list[Any]]]:
    """The schedules beside the block; one that fails is told at its end."""
    together = asyncio.gather(*schedules)
    try:
        yield together
    finally:
        together.cancel()
        await asyncio.gather(together, return_exceptions=True)


async def _over_within(seconds: float, over: Over) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await over.wait()
    except TimeoutError:
        return False
