"""`python -m bench.footprint`: what a process takes to start, and while nobody wants anything of it.

Each service by itself, on a RabbitMQ and a PostgreSQL of the run's own, and `python -m services` with what
it embeds. They start one after the other, and are at rest together, so that each also hears what the others
say of themselves. Told are the seconds from the start of the process until it says that it is
ready, its resident memory then and after the rest, and the processor time that it took at rest, which a busy
machine changes little. The bar is on the busiest: percent of a core.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from bench.beside import cpu_of
from bench.nodes import nodes
from bench.verdict import Bar, verdict
from tests.distributed.asking import variables as separate
from tests.distributed.beside import beside
from tests.distributed.processes import SERVICES, Replica
from tests.journeys.around import Around
from tests.journeys.process import started
from tests.journeys.system import variables as embedded
from tests.journeys.waiting import until

BAR = Bar(at_most=1.0)
#: Seconds after the last start in which processes still find their way: connections, first looks.
SETTLING = 5.0
#: What the tests make quicker, as it is by default.
USUAL = {"LEASE_SECONDS": "15", "POLL_SECONDS": "1", "RETRY_SECONDS": "1"}
PAGE = 4096


@dataclass(frozen=True)
class Started:
    """A process that is ready: after so many seconds, with so many megabytes."""

    name: str
    pid: int
    seconds: float
    memory: float


def told(process: Started, memory: float, busy: float) -> str:
    """In a line; megabytes after the rest, and percent of a core."""
    return (
        f"{process.name}: ready after {process.seconds:.1f} s with {process.memory:.0f} MB, "
        f"{memory:.0f} MB and {busy:.2f} % of a core at rest"
    )


def resident(pid: int) -> float:
    """Megabytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


async def resting(processes: Sequence[Started], seconds: float) -> list[float]:
    """Percent of a core that each takes, over so many seconds."""
    before, began = [cpu_of(each.pid) for each in processes], time.monotonic()
    await asyncio.sleep(seconds)
    passed = time.monotonic() - began
    return [100 * (cpu_of(each.pid) - then) / passed for each, then in zip(processes, before, strict=True)]


async def alone(
    stack: AsyncExitStack, client: httpx.AsyncClient, service: str, folder: Path, known: dict[str, str]
) -> Started:
    replica = Replica(service, 1, folder, known)
    stack.push_async_callback(replica.end)
    began = time.monotonic()
    await replica.start()
    await replica.ready(client)
    return Started(service, replica.pid, time.monotonic() - began, resident(replica.pid))


async def together(stack: AsyncExitStack, around: Around, folder: Path) -> Started:
    began = time.monotonic()
    known = embedded(around, folder / "var", **USUAL)
    system = await stack.enter_async_context(started(folder, known))

    async def ready() -> bool:
        return (await system.client.get("/ready")).is_success

    await until(ready)
    pid = system.process.pid
    return Started("python -m services", pid, time.monotonic() - began, resident(pid))


async def _main(options: Any) -> int:
    async with AsyncExitStack() as stack:
        run = stack.enter_context(nodes())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="darkroom-footprint-")))
        await run.start()
        around = await stack.enter_async_context(beside(folder, 0.1, 2))
        known = separate(around, run.bus_url(), run.database_url(), folder) | USUAL
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
        processes = [await alone(stack, client, service, folder, known) for service in SERVICES]
        processes.append(await together(stack, around, folder))
        await asyncio.sleep(SETTLING)
        shares = await resting(processes, options.seconds)
        for process, busy in zip(processes, shares, strict=True):
            print(told(process, resident(process.pid), busy), flush=True)
    return verdict("footprint", max(shares), BAR)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.footprint", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of rest")
    parser.add_argument("--quick", action="store_true", help="twenty seconds of rest")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seconds = 20.0
    sys.exit(asyncio.run(_main(chosen)))
