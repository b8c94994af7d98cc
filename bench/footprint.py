"""`python -m bench.footprint`: what a process takes to start, and while nobody wants anything of it.

Each service by itself, on a RabbitMQ and a PostgreSQL of the run's own, and `python -m services` with what
it embeds. Told are the seconds from the start of the process until it says that it is ready, its resident
memory then and after the quiet, and the processor time that it took meanwhile. The bar is on the busiest:
percent of a core.
"""

import argparse
import asyncio
import sys
import time
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

BAR = Bar(at_most=1.0)
#: Seconds after the start in which a process still finds its way: connections, first looks.
SETTLING = 5.0
#: What the tests make quicker, as it is by default.
USUAL = {"LEASE_SECONDS": "15", "POLL_SECONDS": "1", "RETRY_SECONDS": "1"}
PAGE = 4096


@dataclass(frozen=True)
class Idle:
    name: str
    start: float
    #: Megabytes.
    memory: float
    #: Percent of a core.
    busy: float

    def __str__(self) -> str:
        return (
            f"{self.name}: ready after {self.start:.1f} s, {self.memory:.0f} MB, {self.busy:.2f} % of a core"
        )


async def quiet(name: str, pid: int, start: float, seconds: float) -> Idle:
    await asyncio.sleep(SETTLING)
    before, began = cpu_of(pid), time.monotonic()
    await asyncio.sleep(seconds)
    busy = 100 * (cpu_of(pid) - before) / (time.monotonic() - began)
    return Idle(name, start, resident(pid), busy)


def resident(pid: int) -> float:
    """Megabytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


async def alone(service: str, folder: Path, known: dict[str, str], seconds: float) -> Idle:
    replica = Replica(service, 1, folder, known)
    began = time.monotonic()
    try:
        await replica.start()
        async with httpx.AsyncClient(timeout=10) as client:
            await replica.ready(client)
        # The looks for readiness are the measurement's, and over now.
        return await quiet(service, replica.pid, time.monotonic() - began, seconds)
    finally:
        await replica.end()


async def together(around: Around, folder: Path, seconds: float) -> Idle:
    began = time.monotonic()
    async with started(folder, embedded(around, folder / "var", **USUAL)) as system:
        return await quiet("python -m services", system.process.pid, time.monotonic() - began, seconds)


async def _main(options: Any) -> int:
    with nodes() as run, TemporaryDirectory(prefix="darkroom-footprint-") as name:
        await run.start()
        folder = Path(name)
        async with beside(folder, 0.1, 2) as around:
            known = separate(around, run.bus_url(), run.database_url(), folder) | USUAL
            found = []
            for service in SERVICES:
                found.append(await alone(service, folder, known, options.seconds))
                print(found[-1], flush=True)
            found.append(await together(around, folder, options.seconds))
            print(found[-1], flush=True)
    return verdict("footprint", max(each.busy for each in found), BAR)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.footprint", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of quiet, for each")
    parser.add_argument("--quick", action="store_true", help="four seconds of quiet")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seconds = 4.0
    sys.exit(asyncio.run(_main(chosen)))
