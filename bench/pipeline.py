"""`python -m bench.pipeline`: what our messaging costs beside bare aio-pika, and beside frameworks.

Every contestant passes items through three steps that do nothing, on one RabbitMQ: messages are persistent
and confirmed, each is acknowledged after its work and after what follows from it is safe, consumers hold a
hundred deliveries, and two processes work. A third one sends, as each library sends. Bare aio-pika decodes
and encodes JSON and does nothing else that ours does: no contract, no history, no dead letters. Ours, bare
aio-pika, FastStream and Taskiq use quorum queues; Dramatiq and Celery their own, classic and durable, which
cost the broker no more. Ours and bare aio-pika run on uvloop, which Taskiq's worker takes by itself,
FastStream on asyncio's own event loop, Dramatiq and Celery on threads and processes.

All are started once; in each round each is given as many items as take it about so many seconds, one after
the other. Told are items a second from the first send to the last end, and processor time of workers and
sender, and of the broker, which together decide where two cores are the limit. The bars: at least 0.85 of
bare aio-pika, and ahead of the best framework. The bus in memory, in this process alone, is told beside.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.beside import Beside, cpu_of
from bench.nodes import Nodes, nodes
from bench.peers.ours import asked, subscriptions
from bench.peers.place import PREFETCH, counted, item
from bench.verdict import Bar, interleaved, ratio, spread, verdict
from messaging.memory import MemoryBus

OF_RAW, OF_PEERS = Bar(at_least=0.85), Bar(at_least=1.0)
OURS, RAW = "Darkroom", "aio-pika"
#: Seconds between looks at the tally, and without a change of it until a round is given up.
LOOK, PATIENCE = 0.01, 30.0
#: Items of the round that warms up and shows how many a longer one takes.
WARMING = 150


@dataclass(frozen=True)
class Entry:
    """How a contestant is run: the words of each of its commands, beside those of its sender."""

    module: str
    #: Commands that together are two worker processes; where none is said, the module itself, twice.
    workers: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def commands(self) -> list[list[str]]:
        if self.workers:
            return [["-m", *self.workers]]
        return [["-m", f"bench.peers.{self.module}"]] * 2


ENTRIES: Mapping[str, Entry] = {
    OURS: Entry("ours"),
    RAW: Entry("raw"),
    "FastStream": Entry("faststream"),
    "Taskiq": Entry(
        "taskiq",
        (
            *("taskiq", "worker", "bench.peers.taskiq:broker", "--workers", "2", "--log-level", "ERROR"),
            *("--max-async-tasks", str(PREFETCH), "--ack-type", "when_executed"),
        ),
    ),
    "Dramatiq": Entry(
        "dramatiq",
        ("dramatiq", "bench.peers.dramatiq", "--processes", "2", "--threads", "8"),
        {"dramatiq_queue_prefetch": str(PREFETCH)},
    ),
    "Celery": Entry(
        "celery",
        (
            *("celery", "--quiet", "-A", "bench.peers.celery", "worker", "--concurrency", "2"),
            *("--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"),
            *("-Q", "celery.first,celery.second,celery.third"),
        ),
    ),
}


@dataclass
class Contestant:
    """One that runs."""

    workers: Sequence[Beside]
    sender: Beside
    tally: Path
    broker_pid: int
    items: int = WARMING
    #: Milliseconds of processor time an item, of its own processes and of the broker.
    own: list[float] = field(default_factory=list)
    broker: list[float] = field(default_factory=list)

    async def round(self) -> float:
        """Items a second."""
        before, own, broker = counted(self.tally), self._cpu(), cpu_of(self.broker_pid)
        began = time.perf_counter()
        self.sender.tell(str(self.items))
        try:
            await _until(self.tally, before + self.items)
        except TimeoutError as stuck:
            raise RuntimeError(f"{stuck}\n{self.sender.complaints()}") from None
        seconds = time.perf_counter() - began
        assert await self.sender.hear() == "sent"
        self.own.append(1000 * (self._cpu() - own) / self.items)
        self.broker.append(1000 * (cpu_of(self.broker_pid) - broker) / self.items)
        return self.items / seconds

    async def warmed(self, seconds: float) -> None:
        """From now on a round takes about so long."""
        rate = await self.round()
        self.items = max(WARMING, int(rate * seconds))
        self.own.clear()
        self.broker.clear()

    def _cpu(self) -> float:
        return sum(each.cpu() for each in (*self.workers, self.sender))


async def _until(tally: Path, count: int) -> None:
    """Raises TimeoutError where nothing comes any more, RuntimeError where more came than was sent."""
    seen, since = -1, time.perf_counter()
    while (now := counted(tally)) < count:
        if now != seen:
            seen, since = now, time.perf_counter()
        if time.perf_counter() - since > PATIENCE:
            raise TimeoutError(f"{tally.name} stands at {now} of {count}")
        await asyncio.sleep(LOOK)
    if now > count:
        raise RuntimeError(f"{tally.name} counted {now}, and {count} were sent")


@asynccontextmanager
async def _contestant(around: Nodes, folder: Path, name: str) -> AsyncIterator[Contestant]:
    entry, tally = ENTRIES[name], folder / name
    tally.mkdir()
    environment = {"BENCH_BUS_URL": around.bus_url(), "BENCH_TALLY": str(tally), **entry.environment}
    async with AsyncExitStack() as stack:
        sender, *workers = [
            await Beside.started(folder / f"{name}.log", *words, environment=environment)
            for words in (["-m", f"bench.peers.{entry.module}", "drive"], *entry.commands())
        ]
        for each in (sender, *workers):
            stack.push_async_callback(each.end)
        assert await sender.hear() == "ready"
        yield Contestant(workers, sender, tally, around.broker_pid())


async def _memory(items: int) -> float:
    """Items a second through the bus in memory."""
    bus, ended, left = MemoryBus(), asyncio.Event(), items

    def count() -> None:
        nonlocal left
        left -= 1
        if not left:
            ended.set()

    messages = [asked(item(number)) for number in range(items)]
    async with bus.consuming(subscriptions(count)):
        began = time.perf_counter()
        await bus.publish(*messages)
        await ended.wait()
        return items / (time.perf_counter() - began)


async def _main(options: argparse.Namespace) -> int:
    with nodes() as around, TemporaryDirectory(prefix="darkroom-bench-") as name:
        async with AsyncExitStack() as stack:
            contestants = {
                who: await stack.enter_async_context(_contestant(around, Path(name), who))
                for who in options.only or ENTRIES
            }
            for each in contestants.values():
                await each.warmed(options.seconds)
            rates = await interleaved(options.rounds, {who: each.round for who, each in contestants.items()})
    for who, each in contestants.items():
        own, broker = statistics.median(each.own), statistics.median(each.broker)
        print(f"{who}: {spread(rates[who])} items/s, {own:.2f} ms of processor each, broker {broker:.2f} ms")
    in_memory = [await _memory(options.memory) for _ in range(options.rounds)]
    print(f"{OURS} in memory: {spread(in_memory)} items/s")
    return _judged(rates)


def _judged(rates: Mapping[str, Sequence[float]]) -> int:
    peers = {who: rate for who, rate in rates.items() if who not in (OURS, RAW)}
    status = 0
    if peers:
        best = max(peers, key=lambda who: statistics.median(peers[who]))
        status = verdict(f"pipeline, by {best}", ratio(rates[OURS], peers[best]), OF_PEERS)
    return status | verdict("pipeline", ratio(rates[OURS], rates[RAW]), OF_RAW)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one round of one contestant")
    parser.add_argument("--memory", type=int, default=3000, help="items through the bus in memory")
    parser.add_argument("--only", nargs="+", choices=list(ENTRIES), help="these contestants")
    parser.add_argument("--quick", action="store_true", help="three short rounds")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.seconds = 3, 1.5
    sys.exit(asyncio.run(_main(chosen)))
