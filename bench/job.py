"""`python -m bench.job`: the whole job, with renders that take no time and images of 64x64.

Four processes, one of each service, on a RabbitMQ and a PostgreSQL of the run's own, from the requests over
HTTP to the ends of the batches. Beside them the same adapters (`bench.peers.studio`) called from a Celery
chain for each image in four worker processes, and from one plain asyncio script without a broker; neither
shows anything to anybody, and neither knows after a crash what it was doing. Both run on asyncio's own
loop. ComfyUI and Cloudinary are stand-ins in one process of their own, which all have in common and which
takes its part of the machine. Told are images a second, of which the bars are, and processor time of each
image by stage.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.beside import Beside, cpu_of
from bench.nodes import Nodes, nodes
from bench.peers.place import counted
from bench.verdict import Bar, interleaved, ratio, spread, verdict
from tests.distributed.beside import beside
from tests.distributed.processes import SERVICES, Cluster, cluster
from tests.journeys.around import Around
from tests.journeys.caller import SECRET, Caller
from tests.source import ROOT

OF_CELERY, OF_SCRIPT = Bar(at_least=1.5), Bar(at_least=0.5)
OURS, CELERY, SCRIPT = "Darkroom", "Celery chain", "script"
BACKENDS = 4
#: Images of one batch.
QUANTITY = 16
SMALL = {"width": 64, "height": 64, "workflow": "colour-card"}
#: Seconds between looks at a tally, and that a round may take.
LOOK, PATIENCE = 0.02, 120.0

#: Name of a stage -> seconds of processor time that it has used.
Spent = Callable[[], Mapping[str, float]]


@dataclass
class Contestant:
    """`make` returns when so many batches are done."""

    make: Callable[[int], Awaitable[None]]
    spent: Spent
    batches: int
    #: Milliseconds of processor time an image, by stage, of each round.
    cpu: list[dict[str, float]] = field(default_factory=list)

    async def round(self) -> float:
        """Images a second."""
        images, before, began = self.batches * QUANTITY, self.spent(), time.perf_counter()
        async with asyncio.timeout(PATIENCE):
            await self.make(self.batches)
        seconds, after = time.perf_counter() - began, self.spent()
        self.cpu.append({stage: 1000 * (after[stage] - before[stage]) / images for stage in after})
        return images / seconds

    def stages(self) -> str:
        """Medians over the rounds."""
        each = {stage: statistics.median(told[stage] for told in self.cpu) for stage in self.cpu[0]}
        return ", ".join(f"{stage} {ms:.1f}" for stage, ms in each.items()) + " ms of processor an image"


@asynccontextmanager
async def _ours(
    around: Nodes, outside: Around, folder: Path, options: argparse.Namespace
) -> AsyncIterator[Contestant]:
    known = {
        "BUS_URL": around.bus_url(),
        "DATABASE_URL": around.database_url(),
        "BLOBS_URL": f"file:{folder / 'blobs'}",
        "WORKFLOWS_DIR": str(ROOT / "workflows"),
        "JWT_SECRET": SECRET,
        **outside.where.urls(),
    }
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(cluster(folder, known, dict.fromkeys(SERVICES, 1)))
        (gateway,) = system.of("gateway")
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=gateway.url, timeout=PATIENCE))
        callers = [Caller(client, f"user-{number}") for number in range(options.batches)]
        characters = [await caller.register("Opal Fever") for caller in callers]

        async def make(batches: int) -> None:
            asked = list(zip(callers, characters, strict=True))[:batches]
            await asyncio.gather(*(_ended(*each) for each in asked))

        yield Contestant(make, partial(_by_service, system, around.broker_pid()), options.batches)


async def _ended(caller: Caller, character: str) -> None:
    wish = {"prompt": "opal light", "quantity": QUANTITY, **SMALL}
    path = f"/v1/characters/{character}/batches"
    answer = await caller.call("POST", path, wish, Prefer="wait=60")
    assert answer.status_code in (200, 202), answer.text
    batch = answer.json() if answer.status_code == 200 else await caller.ended(answer.json()["id"])
    assert batch["status"] == "succeeded", batch["status"]


def _by_service(system: Cluster, broker: int) -> dict[str, float]:
    own = {replica.service: cpu_of(replica.pid) for replica in system.replicas}
    return {**own, "broker": cpu_of(broker)}


@asynccontextmanager
async def _peer(
    around: Nodes,
    outside: Around,
    folder: Path,
    options: argparse.Namespace,
    words: Mapping[str, Sequence[str]],
) -> AsyncIterator[Contestant]:
    """`words` of each process; the first takes orders."""
    tally, bus_url = folder / "tally", around.bus_url()
    tally.mkdir(parents=True)
    environment = {
        "BENCH_BUS_URL": bus_url,
        "BENCH_TALLY": str(tally),
        "BLOBS_URL": f"file:{folder / 'blobs'}",
        "DATABASE_URL": around.database_url(),
        **outside.where.urls(),
    }
    async with AsyncExitStack() as stack:
        processes = {}
        for stage, each in words.items():
            processes[stage] = await Beside.started(folder / f"{stage}.log", *each, environment=environment)
            stack.push_async_callback(processes[stage].end)
        first, *_ = processes.values()
        assert await first.hear() == "ready"

        async def make(batches: int) -> None:
            wanted = counted(tally) + batches * QUANTITY
            first.tell(f"{batches} {QUANTITY}")
            while counted(tally) < wanted:  # noqa: ASYNC110, another process counts
                await asyncio.sleep(LOOK)
            assert await first.hear() == "sent"

        def spent() -> dict[str, float]:
            own = {stage: each.cpu() for stage, each in processes.items()}
            return own | ({"broker": cpu_of(around.broker_pid())} if len(words) > 1 else {})

        yield Contestant(make, spent, options.batches)


WORDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    SCRIPT: {"script": ("-m", "bench.peers.script")},
    CELERY: {
        "sender": ("-m", "bench.peers.celery_job"),
        "workers": (
            *("-m", "celery", "--quiet", "-A", "bench.peers.celery_job", "worker", "--concurrency", "4"),
            *("--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"),
        ),
    },
}


async def _main(options: argparse.Namespace) -> int:
    with nodes() as around, TemporaryDirectory(prefix="darkroom-bench-") as name:
        await around.start()
        folder = Path(name)
        async with AsyncExitStack() as stack:
            outside = await stack.enter_async_context(beside(folder, 0.0, BACKENDS))
            contestants = {
                OURS: await stack.enter_async_context(_ours(around, outside, folder, options)),
                **{
                    who: await stack.enter_async_context(_peer(around, outside, folder / who, options, words))
                    for who, words in WORDS.items()
                },
            }
            for each in contestants.values():  # whatever only the first batch pays
                await each.round()
                each.cpu.clear()
            rates = await interleaved(options.rounds, {who: each.round for who, each in contestants.items()})
            for who, each in contestants.items():
                print(f"{who}: {spread(rates[who])} images/s, {each.stages()}")
    status = verdict(f"job, by {CELERY}", ratio(rates[OURS], rates[CELERY]), OF_CELERY)
    return status | verdict(f"job, by the {SCRIPT}", ratio(rates[OURS], rates[SCRIPT]), OF_SCRIPT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.job", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=8, help="of one round, asked for at once")
    parser.add_argument("--quick", action="store_true", help="three short rounds")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.batches = 3, 4
    sys.exit(asyncio.run(_main(chosen)))
