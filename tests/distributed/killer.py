"""Processes that die without a word, again and again, by a schedule that a seed makes repeatable."""

import asyncio
import random
from collections.abc import Iterator, Sequence

from tests.distributed.processes import Cluster, Replica


async def havoc(cluster: Cluster, seed: int, kills: int, pauses: tuple[float, float]) -> list[str]:
    """Kills a process after each pause, in seconds, and starts it again at once; the names of all killed.
    Each is killed once before any is killed again."""
    dice = random.Random(seed)
    killed = []
    for replica, _ in zip(_victims(cluster.replicas, dice), range(kills), strict=False):
        await asyncio.sleep(dice.uniform(*pauses))
        await replica.kill()
        await replica.start()
        killed.append(replica.name)
    return killed


def _victims(replicas: Sequence[Replica], dice: random.Random) -> Iterator[Replica]:
    while True:
        yield from dice.sample(replicas, len(replicas))
