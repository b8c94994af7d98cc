"""Processes that die without a word, again and again, by a schedule that a seed makes repeatable."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple

from tests.distributed.processes import Cluster, Replica


class Kill(NamedTuple):
    """Who was killed, and how many images had been rendered by then."""

    victim: str
    rendered: int


async def havoc(
    system: Cluster,
    seed: int,
    kills: int,
    pauses: tuple[float, float],
    rendered: Callable[[], Awaitable[int]],
) -> list[Kill]:
    """Kills a process after each pause, in seconds, and starts it again at once. Each is killed once before
    any is killed again."""
    dice = random.Random(seed)
    done = []
    for replica, _ in zip(_victims(system.replicas, dice), range(kills), strict=False):
        await asyncio.sleep(dice.uniform(*pauses))
        done.append(Kill(replica.name, await rendered()))
        await replica.kill()
        await replica.start()
    return done


def _victims(replicas: Sequence[Replica], dice: random.Random) -> Iterator[Replica]:
    while True:
        yield from dice.sample(replicas, len(replicas))
