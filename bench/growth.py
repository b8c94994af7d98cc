"""`python -m bench.growth`: whether an image costs the same however much there is already.

Each service's own code on PostgreSQL, in two databases: a small one, and one whose tables were filled in SQL
with copies of rows that the services had written. A folder of 100 images beside one of 100,000, a registry of
10 folders beside 10,000, a gallery of 1,000 images beside 1,000,000 with as many favourites and placeholders,
100 commands and messages that wait beside 100,000. Compared is processor time, of this process and of the
database's or the broker's; rounds are interleaved, and the small one's is 1.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from bench.backlog import backlog
from bench.galleries import galleries, outbox
from bench.growing import Sizes, Works, reservations, uploads
from bench.nodes import Nodes, nodes
from bench.verdict import Bar, Round, interleaved, ratio, spread, verdict

FLAT = Bar(at_most=1.2)
SMALL = Sizes(folder=100, folders=10, gallery=1_000, backlog=100)
LARGE = Sizes(folder=100_000, folders=10_000, gallery=1_000_000, backlog=100_000)
QUICK = Sizes(folder=20_000, folders=5_000, gallery=100_000, backlog=20_000)

Ground = Callable[[Nodes, Sizes], AbstractAsyncContextManager[Works]]
GROUNDS: Sequence[Ground] = (reservations, uploads, galleries, outbox, backlog)


async def measure(around: Nodes, ground: Ground, large: Sizes, rounds: int) -> dict[str, float]:
    """What each kind of work costs in the large one by what it costs in the small one."""
    async with AsyncExitStack() as stack:
        small_works, large_works = [
            await stack.enter_async_context(ground(around, sizes)) for sizes in (SMALL, large)
        ]
        return {
            name: await _compared(name, small_works[name], large_works[name], rounds) for name in small_works
        }


async def _compared(name: str, small: Round, large: Round, rounds: int) -> float:
    contestants = {"small": small, "large": large}
    await interleaved(2, contestants)  # rounds that warm up
    told = await interleaved(rounds, contestants)
    for size, seconds in told.items():
        print(f"{name}, {size}: {spread([each * 1000 for each in seconds])} ms of CPU a round", flush=True)
    return ratio(told["large"], told["small"])


async def _main(large: Sizes, rounds: int) -> int:
    status, worst = 0, 0.0
    with nodes() as around:
        for ground in GROUNDS:
            for name, measured in (await measure(around, ground, large, rounds)).items():
                status |= verdict(f"growth, {name}", measured, FLAT)
                worst = max(worst, measured)
    return status | verdict("growth", worst, FLAT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, fewer rounds")
    options = parser.parse_args()
    chosen = (QUICK, 7) if options.quick else (LARGE, options.rounds)
    sys.exit(asyncio.run(_main(*chosen)))
