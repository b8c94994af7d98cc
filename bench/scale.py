"""`python -m bench.scale`: what a second and a fourth process of a service bring.

Renderers: 1, 2 and 4 of them over 16 backends that take 200 ms for an image, on a RabbitMQ and a PostgreSQL
of the run's own. Told are the images a second from the first submit to the last end, as the backends saw
them. Indexers: 1, 2 and 4 of them take batches as in `bench.indexer`. More processes bring more until
something else is full: the backends, or the machine's cores, on which everything else runs too.

So each step is judged by the bound that it comes nearest to: so many times the rate of one process; the
backends' own rate; or, where the cores are full, both that the rate does not fall below what fewer processes
made and that a thing takes no more processor time of the service than with one process. Cores that were
not at work are no excuse, nor are full ones for getting dearer or slower. The bar is on the least step.
"""

import argparse
import asyncio
import os
import statistics
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx

from bench.beside import cpu_of
from bench.indexer import Contestant, vhost
from bench.nodes import Nodes, nodes
from bench.verdict import Bar, spread, verdict
from contracts.events import IndicesReserved
from messaging.rabbitmq import open_rabbitmq
from tests.distributed.asking import variables
from tests.distributed.beside import beside
from tests.distributed.processes import Replica
from tests.journeys.around import Around
from tests.services.renderer.requests import reserved
from tests.source import ROOT

BAR = Bar(at_least=0.8)
STEPS = (1, 2, 4)
BACKENDS, RENDER_SECONDS = 16, 0.2
#: Images of one batch.
BATCH = 40
#: Seconds until a round of renders is given up, by the least that it takes.
PATIENCE = 20.0


@dataclass(frozen=True)
class Step:
    """So many processes: rounds in things a second, and what part of all cores was at work meanwhile."""

    processes: int
    rates: Sequence[float]
    busy: float
    #: Milliseconds of processor time for each thing, of the service alone.
    cost: float

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


class Cores:
    """What part of them works, from the first look to the second."""

    def __init__(self) -> None:
        self._before = self._seen()

    def busy(self) -> float:
        worked, passed = (now - then for now, then in zip(self._seen(), self._before, strict=True))
        return worked / passed if passed else 0.0

    def _seen(self) -> tuple[int, int]:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(fields) - fields[3] - fields[4], sum(fields)


@asynccontextmanager
async def replicas(
    service: str, count: int, folder: Path, known: Mapping[str, str]
) -> AsyncIterator[list[Replica]]:
    several = [Replica(service, number + 1, folder, known) for number in range(count)]
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
        for replica in several:
            stack.push_async_callback(replica.end)
            await replica.start()
        await asyncio.gather(*(replica.ready(client) for replica in several))
        yield several


async def renderers(count: int, run: Nodes, around: Around, folder: Path, rounds: int, images: int) -> Step:
    known = variables(around, run.bus_url(), run.database_url(), folder)
    known |= {"LEASE_SECONDS": "15", "POLL_SECONDS": "1", "DEPTH": "2"}
    async with (
        open_rabbitmq(known["BUS_URL"], "bench") as bus,
        replicas("renderer", count, folder, known) as several,
    ):

        async def rendered() -> float:
            for backend in around.where.backends:
                (await around.client.delete(f"{backend}/sandbox/timeline")).raise_for_status()
            await bus.publish(*_batches(images))
            return await _rate(around, images)

        await rendered()
        cores, before = Cores(), sum(cpu_of(each.pid) for each in several)
        rates = [await rendered() for _ in range(rounds)]
        spent = sum(cpu_of(each.pid) for each in several) - before
        return Step(count, rates, cores.busy(), 1000 * spent / (images * rounds))


def _batches(images: int) -> list[IndicesReserved]:
    return [reserved(uuid4().hex, BATCH, 1, username=f"user-{turn}") for turn in range(images // BATCH)]


async def _rate(around: Around, images: int) -> float:
    """Images a second, once all have ended."""
    async with asyncio.timeout(PATIENCE + 10 * images * RENDER_SECONDS / BACKENDS):
        while True:
            await asyncio.sleep(0.5)
            seen = [
                (await around.client.get(f"{backend}/sandbox/timeline")).json()
                for backend in around.where.backends
            ]
            ended = sum(len(run) > 1 for each in seen for entry in each["entries"] for run in entry["runs"])
            if ended >= images:
                first = min(each["first_accepted_at"] for each in seen if each["first_accepted_at"])
                last = max(each["last_ended_at"] for each in seen if each["last_ended_at"])
                return images / float(last - first)


async def indexers(count: int, run: Nodes, folder: Path, rounds: int, seconds: float) -> Step:
    async with vhost(run) as (url, channel):
        known = {
            "BUS_URL": url,
            "DATABASE_URL": run.database_url(),
            # Never called: the storage is known to be new.
            "CLOUDINARY_URL": "cloudinary://key:secret@bench",
            "ADOPT_EXISTING": "false",
            "WORKFLOWS_DIR": str(ROOT / "workflows"),
        }
        async with replicas("indexer", count, folder, known) as several:
            contestant = Contestant(channel, several[0].pid)
            await contestant.listen()
            await contestant.warmed(seconds)
            cores, before = Cores(), sum(cpu_of(each.pid) for each in several)
            rates = [await contestant.round() for _ in range(rounds)]
            spent = sum(cpu_of(each.pid) for each in several) - before
            return Step(count, rates, cores.busy(), 1000 * spent / (contestant.batches * rounds))


def bounds(steps: Sequence[Step], at: int, limit: float | None) -> dict[str, float]:
    """How near one of the steps comes to each thing that may bound it; `limit` is the backends' own rate."""
    first, step = steps[0], steps[at]
    fewer = max(each.rate for each in steps[: at + 1])
    found = {
        "linear": step.rate / (step.processes * first.rate),
        "cores": min(step.busy, step.rate / fewer, first.cost / step.cost if step.cost else 1.0),
    }
    return found if limit is None else found | {"backends": step.rate / limit}


def told(what: str, things: str, steps: Sequence[Step], limit: float | None) -> float:
    """How near each step comes to what bounds it; the least of them."""
    parts = []
    for at, step in enumerate(steps):
        found = bounds(steps, at, limit)
        nearest = max(found, key=lambda name: found[name])
        parts.append(found[nearest])
        name = f"{step.processes} {what}{'s' * (step.processes > 1)}"
        print(f"{name}: {spread(step.rates)} {things}/s")
        print(
            f"  {found[nearest]:.2f} of what bounds it ({nearest}); {step.cost:.2f} ms of processor each, "
            f"{100 * step.busy:.0f} % of {os.cpu_count()} cores at work",
            flush=True,
        )
    return min(parts)


async def _main(options: Any) -> int:
    with nodes() as run, TemporaryDirectory(prefix="darkroom-scale-") as name:
        await run.start()
        folder = Path(name)
        async with beside(folder, RENDER_SECONDS, BACKENDS) as around:
            rendering = [
                await renderers(count, run, around, folder, options.rounds, options.images) for count in STEPS
            ]
        least = told("renderer", "images", rendering, BACKENDS / RENDER_SECONDS)
        indexing = [await indexers(count, run, folder, options.rounds, options.seconds) for count in STEPS]
        least = min(least, told("indexer", "batches", indexing, None))
    return verdict("scale", least, BAR)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=800, help="of one round of renders")
    parser.add_argument("--seconds", type=float, default=4.0, help="of one round of batches")
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.images, chosen.seconds = 1, 400, 2.0
    sys.exit(asyncio.run(_main(chosen)))
