"""`python -m bench.gateway`: what it costs that a batch is accepted durably, and what an open stream costs.

One gateway process on a RabbitMQ and a PostgreSQL of the run's own, and beside it a bare FastAPI route
(`bench.bare`) on the same two: one row, one confirmed message, nothing else. A third process puts load on
them in turn, over connections that are kept: the gateway, the gateway with an `Idempotency-Key` on each
request, the bare route. What is told is batches a second, the median and the 99th percentile of the time that
an answer takes, each as a ratio, and processor time of the server's own process, which decides where the
machine is the bottleneck; the bar is on the batches. Then a thousand event streams are opened on the one
gateway: memory of each, and how long after a change the last of them has heard of it.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.load import Loader, Shots, Told
from bench.verdict import Bar, Round, interleaved, ratio, spread, verdict
from cli.tokens import issue
from tests.distributed.processes import Replica
from tests.journeys.caller import SECRET, Caller
from tests.journeys.waiting import until
from tests.nodes.machine import free_ports
from tests.nodes.node import run_apart
from tests.nodes.shared import Run
from tests.source import ROOT

BAR = Bar(at_least=0.5)
OURS, KEYED, BARE = "gateway", "gateway, with a key", "bare route"
WISH = '{"prompt": "portrait in opal light", "quantity": 4, "width": 832, "height": 1216}'
CONNECTIONS = 16
#: So many that nobody comes near what one user may ask for, which is counted with each batch.
USERS = 2000
#: Images of one batch whose stream is open, and streams of one user.
IMAGES, STREAMS_OF_USER = 8, 50


@dataclass
class Contest:
    """One system and its neighbours, while they run."""

    options: argparse.Namespace
    loader: Loader
    gateway: Replica
    bare: str
    bare_pid: int
    client: httpx.AsyncClient
    character: str
    told: dict[str, list[Told]] = field(default_factory=dict)
    #: Milliseconds of processor time a batch, of the server's process.
    cpu: dict[str, list[float]] = field(default_factory=dict)

    async def rounds(self) -> Mapping[str, Sequence[float]]:
        """Batches a second."""
        plain = [f"{_token(number)}Prefer: respond-async\r\n" for number in range(USERS)]
        ours = self._shots(self.gateway.url, f"/v1/characters/{self.character}/batches", plain)
        bare = self._shots(self.bare, f"/characters/{self.character}/batches", [""])

        async def round_of(name: str, shots: Shots) -> float:
            pid = self.bare_pid if name == BARE else self.gateway.pid
            began = _cpu(pid)
            told = await self.loader.shoot(shots)
            self.told.setdefault(name, []).append(told)
            self.cpu.setdefault(name, []).append(1000 * (_cpu(pid) - began) / (told.rate * shots.seconds))
            return told.rate

        async def keyed() -> float:
            # A run of its own, or the second round would be told what the first was.
            run = len(self.told.get(KEYED, ()))
            heads = [f"{head}Idempotency-Key: {run}-{{turn}}\r\n" for head in plain]
            return await round_of(KEYED, replace(ours, heads=heads))

        contestants: dict[str, Round] = {
            OURS: partial(round_of, OURS, ours),
            KEYED: keyed,
            BARE: partial(round_of, BARE, bare),
        }
        await interleaved(1, contestants)  # a round that warms up
        self.told.clear()
        self.cpu.clear()
        return await interleaved(self.options.rounds, contestants)

    def _shots(self, url: str, path: str, heads: Sequence[str]) -> Shots:
        return Shots(url, path, heads, WISH, self.options.seconds, self.options.connections, 202)

    async def streams(self) -> None:
        """Opens them all, changes every batch that is streamed, and says what that took."""
        users = range(-(-self.options.streams // STREAMS_OF_USER))
        batches = [await self._asked(number) for number in users]
        before = self._resident()
        requests = [
            f"GET /v1/batches/{batches[turn % len(batches)]}/events HTTP/1.1\r\nHost: bench\r\n"
            f"{_token(turn % len(batches))}\r\n"
            for turn in range(self.options.streams)
        ]
        opened = await self.loader.say({"open": requests, "url": self.gateway.url})
        each = (self._resident() - before) / opened["open"]
        self.loader.tell({"hear": "status"})
        for number, batch in zip(users, batches, strict=True):
            await Caller(self.client, _user(number)).cancel(batch)
        heard = await self.loader.heard()
        print(
            f"{opened['open']} streams on {len(batches)} batches of {IMAGES} images: {each / 1024:.1f} KB of "
            f"memory each; a change of every batch was told to all of them within {heard['seconds']:.2f} s"
        )

    async def _asked(self, number: int) -> str:
        return await Caller(self.client, _user(number)).ask("streamed", self.character, quantity=IMAGES)

    def _resident(self) -> int:
        pages = int(Path(f"/proc/{self.gateway.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")

    def say(self) -> None:
        for name, rounds in self.told.items():
            rates, middles, tails = zip(*((each.rate, each.p50, each.p99) for each in rounds), strict=True)
            print(f"{name}: {spread(rates)} batches a second, p50 {spread(middles, ' ms')}, ", end="")
            print(f"p99 {spread(tails, ' ms')}, processor {spread(self.cpu[name], ' ms')} a batch")
        for word in ("p50", "p99"):
            for name in (OURS, KEYED):
                measured = ([getattr(each, word) for each in self.told[who]] for who in (name, BARE))
                print(f"{word} of {name} by {BARE}: {ratio(*measured):.2f}")


def _cpu(pid: int) -> float:
    """Seconds of processor time that the process has used."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _user(number: int) -> str:
    return f"user-{number}"


def _token(number: int) -> str:
    return f"Authorization: Bearer {issue(SECRET, _user(number), 3600)}\r\n"


@asynccontextmanager
async def _contest(options: argparse.Namespace, folder: Path) -> AsyncIterator[Contest]:
    run = Run.begin()
    try:
        broker, server = await asyncio.gather(asyncio.to_thread(run.broker), asyncio.to_thread(run.server))
        bus_url = broker.url(broker.create_vhost())
        database_url = server.url(run_apart(server.create_database()))
        async with _processes(options, folder, bus_url, database_url) as contest:
            yield contest
    finally:
        run.end()


@asynccontextmanager
async def _processes(
    options: argparse.Namespace, folder: Path, bus_url: str, database_url: str
) -> AsyncIterator[Contest]:
    known = {
        "BUS_URL": bus_url,
        "DATABASE_URL": database_url,
        "JWT_SECRET": SECRET,
        "WORKFLOWS_DIR": str(ROOT / "workflows"),
        # Nobody renders here, so what is asked for stays outstanding.
        "IMAGES_IN_ALL": "100000000",
    }
    gateway, port = Replica("gateway", 1, folder, known), free_ports(1)[0]
    words = ("-m", "bench.bare", str(port), database_url, bus_url)
    bare = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT)
    loader = await Loader.started()
    try:
        await gateway.start()
        async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as client:
            await gateway.ready(client)
            here = f"http://127.0.0.1:{port}"
            await until(lambda: _answers(client, here))
            character = await Caller(client, "Mira", "premade characters:write").register(
                "Opal Fever", premade=True
            )
            yield Contest(options, loader, gateway, here, bare.pid, client, character)
    finally:
        await loader.end()
        await gateway.end()
        bare.terminate()
        await bare.wait()


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/openapi.json")).is_success
    except httpx.TransportError:
        return False


async def _main(options: argparse.Namespace) -> int:
    with TemporaryDirectory(prefix="darkroom-bench-") as name:
        async with _contest(options, Path(name)) as contest:
            rates = await contest.rounds()
            contest.say()
            await contest.streams()
            print(f"with a key: {ratio(rates[KEYED], rates[BARE]):.3f}")
            return verdict("gateway", ratio(rates[OURS], rates[BARE]), BAR)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of one round of one contestant")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="requests at once")
    parser.add_argument("--streams", type=int, default=1000, help="event streams that are opened")
    sys.exit(asyncio.run(_main(parser.parse_args())))
