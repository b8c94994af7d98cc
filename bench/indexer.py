"""`python -m bench.indexer`: what a batch costs in the indexer, from its request to its numbers.

One indexer process on a RabbitMQ and a PostgreSQL of the run's own takes `GenerateBatch` and says
`IndicesReserved`: decoded, checked, numbered in a commit, said with confirm to three queues, acknowledged.
Beside it a bare loop on the same broker (`bench.peers.hop`) that only takes, says and acknowledges. Both get
the same messages of a hundred characters, as fast as they can be sent; a round ends when the last answer was
heard. Told are batches a second, of which the bar is, and the processor time of each in the process.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import aio_pika
import httpx
from aio_pika.abc import AbstractChannel

from bench.beside import Beside, cpu_of
from bench.nodes import Nodes, nodes
from bench.verdict import Bar, interleaved, ratio, spread, verdict
from contracts.commands import Character, GenerateBatch
from contracts.events import IndicesReserved
from contracts.topology import EXCHANGE, Queue
from messaging.rabbitmq import open_rabbitmq
from tests.distributed.processes import Replica
from tests.source import ROOT

BAR = Bar(at_least=0.8)
OURS, BARE = "indexer", "bare loop"
CHARACTERS = 100
#: Sent at once.
WINDOW = 100
#: Batches of the round that warms up, and opens every folder.
WARMING = 300
#: Seconds between looks at the answers, and without a new one until a round is given up.
LOOK, PATIENCE = 0.01, 30.0
#: Where answers lie.
HEARD, *UNHEARD = (Queue(service, IndicesReserved).name for service in ("gateway", "renderer", "uploader"))


@dataclass
class Contestant:
    """A process at work, a channel to its vhost, and what was heard there."""

    channel: AbstractChannel
    pid: int
    heard: int = 0
    numbers: "count[int]" = field(default_factory=count)
    batches: int = WARMING
    #: Milliseconds of processor time a batch.
    cpu: list[float] = field(default_factory=list)

    async def round(self) -> float:
        """Batches a second."""
        await asyncio.gather(*map(self._purge, UNHEARD))
        self.heard = 0
        bodies = [_asked(next(self.numbers)).encode() for _ in range(self.batches)]
        cpu, began = cpu_of(self.pid), time.perf_counter()
        await asyncio.gather(self._send(bodies), self._answered())
        seconds = time.perf_counter() - began
        self.cpu.append(1000 * (cpu_of(self.pid) - cpu) / self.batches)
        return self.batches / seconds

    async def warmed(self, seconds: float) -> None:
        """From now on a round takes about so long."""
        rate = await self.round()
        self.batches = max(WARMING, int(rate * seconds))
        self.cpu.clear()

    async def _send(self, bodies: list[bytes]) -> None:
        exchange = await self.channel.get_exchange(EXCHANGE, ensure=False)
        left = iter(bodies)

        async def line() -> None:
            for body in left:
                message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await exchange.publish(message, GenerateBatch.route())

        await asyncio.gather(*(line() for _ in range(WINDOW)))

    async def _answered(self) -> None:
        """Returns when an answer to every batch was heard."""
        seen, since = -1, time.perf_counter()
        while self.heard < self.batches:
            if self.heard != seen:
                seen, since = self.heard, time.perf_counter()
            if time.perf_counter() - since > PATIENCE:
                raise RuntimeError(f"{seen} of {self.batches} batches were answered, and then no more")
            await asyncio.sleep(LOOK)

    async def listen(self) -> None:
        """From now on answers are counted."""

        async def hear(_: object) -> None:
            self.heard += 1

        await (await self.channel.get_queue(HEARD, ensure=False)).consume(hear, no_ack=True)

    async def _purge(self, queue: str) -> None:
        await (await self.channel.get_queue(queue, ensure=False)).purge()


def _asked(number: int) -> GenerateBatch:
    return GenerateBatch(
        batch_id=f"batch-{number}",
        username="Areg",
        character=Character(
            id="c1", name=f"Opal Fever {number % CHARACTERS}", collection="premade_characters"
        ),
        prompt="portrait in opal light, soft shadows, city at night",
        quantity=4,
        seed=number,
    )


@asynccontextmanager
async def vhost(around: Nodes) -> AsyncIterator[tuple[str, AbstractChannel]]:
    """One with the topology."""
    url = around.bus_url()
    async with open_rabbitmq(url, "bench"), await aio_pika.connect_robust(url) as connection:
        yield url, await connection.channel(publisher_confirms=True, on_return_raises=True)


@asynccontextmanager
async def _ours(around: Nodes, folder: Path) -> AsyncIterator[Contestant]:
    async with vhost(around) as (url, channel):
        known = {
            "BUS_URL": url,
            "DATABASE_URL": around.database_url(),
            # Never called: the storage is known to be new.
            "CLOUDINARY_URL": "cloudinary://key:secret@bench",
            "ADOPT_EXISTING": "false",
            "WORKFLOWS_DIR": str(ROOT / "workflows"),
        }
        replica = Replica("indexer", 1, folder, known)
        try:
            await replica.start()
            async with httpx.AsyncClient(timeout=10) as client:
                await replica.ready(client)
            yield Contestant(channel, replica.pid)
        finally:
            await replica.end()


@asynccontextmanager
async def _bare(around: Nodes, folder: Path) -> AsyncIterator[Contestant]:
    async with vhost(around) as (url, channel):
        hop = await Beside.started(folder / "hop.log", "-m", "bench.peers.hop", url)
        try:
            yield Contestant(channel, hop.process.pid)
        finally:
            await hop.end()


async def _main(options: argparse.Namespace) -> int:
    with nodes() as around, TemporaryDirectory(prefix="darkroom-bench-") as name:
        await around.start()
        async with _ours(around, Path(name)) as ours, _bare(around, Path(name)) as bare:
            contestants = {OURS: ours, BARE: bare}
            for each in contestants.values():
                await each.listen()
                await each.warmed(options.seconds)
            rates = await interleaved(options.rounds, {who: each.round for who, each in contestants.items()})
    for who, each in contestants.items():
        spent = statistics.median(each.cpu)
        print(f"{who}: {spread(rates[who])} batches/s, {spent:.2f} ms of processor each")
    return verdict("indexer", ratio(rates[OURS], rates[BARE]), BAR)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.indexer", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one round of one contestant")
    parser.add_argument("--quick", action="store_true", help="three short rounds")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.seconds = 3, 2.0
    sys.exit(asyncio.run(_main(chosen)))
