"""`python -m bench.latency`: how long one image takes beyond its render, where nobody else wants anything.

Each service is a process of its own, on a RabbitMQ and a PostgreSQL of the run's own; the stand-ins are
another process. A caller asks for one image with `Prefer: wait`, so the time is from the request to the
answer with the stored image's URL. By stage: accepted, reserved, fetched and stored are when the broker had
the message that says so, heard as a further reader; submitted, begun and rendered are by the backend's own
clock, on the same machine. The render is what the backend took for it. The whole system in one process, with
its embedded defaults, is told beside it. The bar is on the median of the separate services, in milliseconds.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx

from bench.hearing import Hearing, hearing
from bench.nodes import Nodes, nodes
from bench.stages import RENDER, Parts, middle, parted, told
from bench.verdict import Bar, verdict
from contracts.commands import GenerateBatch
from contracts.events import ImageReady, ImageStored, IndicesReserved
from contracts.message import Message
from tests.distributed.asking import variables as separate
from tests.distributed.beside import beside
from tests.distributed.processes import SERVICES, cluster
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
#: What the services say of a batch of one image, two before it is rendered and two after, and what it means.
SAID: Mapping[type[Message], str] = {
    GenerateBatch: "accepted",
    IndicesReserved: "reserved",
    ImageReady: "fetched",
    ImageStored: "stored",
}
#: What the tests make quicker, as it is by default.
USUAL = {"LEASE_SECONDS": "15", "POLL_SECONDS": "1", "RETRY_SECONDS": "1"}


@dataclass(frozen=True)
class Measured:
    """A caller of one system; `heard` is None where no broker can be listened at."""

    caller: Caller
    around: Around
    character: str
    heard: Hearing | None

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
        there = [("submitted", entry["accepted_at"]), ("begun", start), (RENDER, end)]
        before, after = await self._heard(answer.json()["id"])
        return parted(began, [*before, *there, *after, ("seen by the caller", ended)])

    async def _heard(self, batch_id: str) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """What the services said of it before the render, and after."""
        if self.heard is None:
            return [], []
        moments = list(zip(SAID.values(), await self.heard.of(batch_id, list(SAID)), strict=True))
        return moments[:2], moments[2:]

    async def images(self, count: int) -> list[Parts]:
        parts = []
        for _ in range(count):
            await asyncio.sleep(PAUSE)
            parts.append(await self.image())
        return parts


async def measured(
    client: httpx.AsyncClient, around: Around, count: int, heard: Hearing | None = None
) -> list[Parts]:
    caller = Caller(client, "Areg")
    one = Measured(caller, around, await caller.register("Opal Fever"), heard)
    await one.images(WARMING)
    return await one.images(count)


@asynccontextmanager
async def apart(
    around: Around, nodes_: Nodes, folder: Path
) -> AsyncIterator[tuple[httpx.AsyncClient, Hearing]]:
    known = separate(around, nodes_.bus_url(), nodes_.database_url(), folder) | USUAL
    async with (
        cluster(folder, known, dict.fromkeys(SERVICES, 1)) as system,
        hearing(known["BUS_URL"], list(SAID)) as heard,
        httpx.AsyncClient(base_url=system.of("gateway")[0].url, timeout=60) as client,
    ):
        yield client, heard


async def _main(options: Any) -> int:
    with nodes() as run, TemporaryDirectory(prefix="darkroom-latency-") as name:
        await run.start()
        folder = Path(name)
        async with beside(folder, options.render_ms / 1000, 1) as around:
            async with apart(around, run, folder) as (client, heard):
                separately = await measured(client, around, options.images, heard)
            print(*told("separate services", separately), sep="\n", flush=True)
            async with started(folder, embedded(around, folder / "var", **USUAL)) as system:
                together = await measured(system.client, around, options.images)
            print(*told("one process", together), sep="\n", flush=True)
    return verdict("latency", middle(separately), BAR)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--images", type=int, default=150, help="measured one after the other")
    parser.add_argument("--render-ms", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="thirty images of each")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.images = 30
    sys.exit(asyncio.run(_main(chosen)))
