"""`python -m bench.latency`: how long one image takes beyond its render, where nobody else wants anything.

Each service is a process of its own, on a RabbitMQ and a PostgreSQL of the run's own; the stand-ins are
another process. A caller asks for one image with `Prefer: wait`, so the time is from the request to the
answer with the stored image's URL. The backend's own clock says how long it rendered; all processes are on
one machine, so its times also part what came before it from what came after. The whole system in one
process, with its embedded defaults, is told beside it. The bar is on the median of the separate services,
in milliseconds.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx

from bench.nodes import Nodes, nodes
from bench.verdict import Bar, verdict
from tests.distributed.asking import variables as separate
from tests.distributed.beside import beside
from tests.distributed.processes import cluster
from tests.journeys.around import Around
from tests.journeys.caller import Caller
from tests.journeys.process import started
from tests.journeys.system import variables as embedded

BAR = Bar(at_most=50.0)
WISH = {"prompt": "opal light", "quantity": 1, "width": 64, "height": 64, "workflow": "colour-card"}
#: Images that pay for connections and folders before anything is measured.
WARMING = 5
#: Seconds between two images: nothing of the last one is under way any more.
PAUSE = 0.2


@dataclass(frozen=True)
class Parts:
    """Of one image, in milliseconds."""

    #: From the request until the backend had it.
    before: float
    #: In the backend, without the render.
    there: float
    #: From the end of the render to the answer.
    after: float

    @property
    def over(self) -> float:
        return self.before + self.there + self.after


@dataclass(frozen=True)
class Measured:
    caller: Caller
    around: Around
    character: str

    async def image(self) -> Parts:
        backend = self.around.where.backends[0]
        (await self.around.client.delete(f"{backend}/sandbox/timeline")).raise_for_status()
        began = time.time()
        answer = await self.caller.call(
            "PUT",
            f"/v1/batches/{uuid4().hex}",
            {**WISH, "character_id": self.character},
            Prefer="wait=30",
        )
        ended = time.time()
        assert answer.is_success, answer.text
        assert answer.json()["status"] == "succeeded", answer.text
        seen = (await self.around.client.get(f"{backend}/sandbox/timeline")).json()["entries"]
        (entry,) = seen
        ((start, end),) = entry["runs"]
        there = start - entry["accepted_at"]
        return Parts(1000 * (entry["accepted_at"] - began), 1000 * there, 1000 * (ended - end))

    async def images(self, count: int) -> list[Parts]:
        parts = []
        for _ in range(count):
            await asyncio.sleep(PAUSE)
            parts.append(await self.image())
        return parts


async def measured(client: httpx.AsyncClient, around: Around, count: int) -> list[Parts]:
    caller = Caller(client, "Areg")
    one = Measured(caller, around, await caller.register("Opal Fever"))
    await one.images(WARMING)
    return await one.images(count)


@asynccontextmanager
async def apart(around: Around, nodes_: Nodes, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    known = separate(around, nodes_.bus_url(), nodes_.database_url(), folder) | {"POLL_SECONDS": "1"}
    counts = dict.fromkeys(("gateway", "indexer", "renderer", "uploader"), 1)
    async with (
        cluster(folder, known, counts) as system,
        httpx.AsyncClient(base_url=system.of("gateway")[0].url, timeout=60) as client,
    ):
        yield client


def told(name: str, parts: Sequence[Parts]) -> float:
    """The median beyond the render."""
    middle = statistics.median(each.over for each in parts)
    print(f"{name}: p50 {middle:.1f} ms, p99 {_p99([each.over for each in parts]):.1f} ms over the render")
    for stage, words in (
        ("before", "request to backend"),
        ("there", "in the backend's queue"),
        ("after", "end of render to answer"),
    ):
        values = [float(getattr(each, stage)) for each in parts]
        print(f"  {words}: p50 {statistics.median(values):.1f} ms, p99 {_p99(values):.1f} ms", flush=True)
    return middle


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


async def _main(options: Any) -> int:
    with nodes() as run, TemporaryDirectory(prefix="darkroom-latency-") as name:
        await run.start()
        folder = Path(name)
        async with beside(folder, options.render_ms / 1000, 1) as around:
            async with apart(around, run, folder) as client:
                middle = told("separate services", await measured(client, around, options.images))
            known = embedded(around, folder / "var", POLL_SECONDS="1")
            async with started(folder, known) as system:
                told("one process, embedded", await measured(system.client, around, options.images))
    return verdict("latency", middle, BAR)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--images", type=int, default=150, help="measured one after the other")
    parser.add_argument("--render-ms", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="thirty images of each")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.images = 30
    sys.exit(asyncio.run(_main(chosen)))
