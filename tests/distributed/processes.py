"""Services as processes: started, killed, stopped and started again, each at an address of its own."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.journeys.process import environment
from tests.journeys.waiting import until
from tests.nodes.machine import free_ports
from tests.source import ROOT

SERVICES = ("gateway", "indexer", "renderer", "uploader")
#: Seconds that a start may take where other tests keep the machine busy.
START_SECONDS = 180.0
#: Seconds within which a process says that it is alive, whatever is away; a question to a neighbour that is
#: gone may take longer, and the machine be busy.
ALIVE_SECONDS = 2.0
#: Seconds within which a process that was told to stop has stopped.
STOP_SECONDS = 40.0


class Replica:
    """One process of one service, begun by the words `through` if there are any. Its address stays the same
    over all its lives, and so does its log."""

    def __init__(
        self,
        service: str,
        number: int,
        folder: Path,
        known: Mapping[str, str],
        through: Sequence[str] = (),
    ) -> None:
        (port,) = free_ports(1)
        self.service = service
        self.name = f"{service}-{number}"
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"{self.name}.log"
        self._known = {**known, "PORT": str(port), "VAR_DIR": str(folder / self.name)}
        self.through = through
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.through,
                sys.executable,
                "-m",
                f"services.{self.service}",
                cwd=ROOT,
                env=environment(self._known),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def kill(self) -> None:
        """SIGKILL: no handler, no flush, no farewell. One that has ended by itself fails the test."""
        await self._ended_by(signal.SIGKILL, -signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM; it ends within its time and in good order, or the test fails."""
        await self._ended_by(signal.SIGTERM, 0)

    async def ready(self, client: httpx.AsyncClient) -> None:
        """Returns once it may get work."""

        async def says_so() -> bool:
            assert self.runs(), f"{self.name} has ended by itself:\n{self.tail()}"
            return await self.troubles(client) == {}

        try:
            await until(says_so, START_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{self.name} is not ready:\n{self.tail()}") from None

    async def troubles(self, client: httpx.AsyncClient) -> dict[str, str] | None:
        """Why it is not ready; empty if it is, None where nobody answers."""
        try:
            answer = await client.get(f"{self.url}/ready")
        except httpx.TransportError:
            return None
        found: dict[str, str] = answer.json()["troubles"]
        return found

    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Of its present life, or of its last."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    async def end(self) -> None:
        """Whatever it is doing."""
        if self._process is not None:
            if self.runs():
                self._process.kill()
            await self._process.wait()

    async def _ended_by(self, number: signal.Signals, status: int) -> None:
        assert self._process is not None
        assert self.runs(), f"{self.name} has ended by itself:\n{self.tail()}"
        self._process.send_signal(number)
        async with asyncio.timeout(STOP_SECONDS):
            assert await self._process.wait() == status, f"{self.name}:\n{self.tail()}"


@dataclass
class Cluster:
    """Processes that work together."""

    replicas: Sequence[Replica]
    client: httpx.AsyncClient = field(repr=False)

    def of(self, service: str) -> list[Replica]:
        return [replica for replica in self.replicas if replica.service == service]

    async def ready(self) -> None:
        """Returns once every process may get work."""
        await asyncio.gather(*(replica.ready(self.client) for replica in self.replicas))

    async def all_say(self, word: str, *services: str) -> None:
        """Returns once every process of these services names this as the reason why it is not ready. Whether
        it is alive, it knows without asking anybody."""
        asked = [replica for service in services for replica in self.of(service)]

        async def said() -> bool:
            heard = await asyncio.gather(*(replica.troubles(self.client) for replica in asked))
            return all(any(word in name for name in troubles or ()) for troubles in heard)

        await until(said)
        for replica in asked:
            async with asyncio.timeout(ALIVE_SECONDS):
                alive = await self.client.get(f"{replica.url}/health")
            assert (alive.status_code, alive.json()) == (200, {"status": "alive"})

    def errors(self) -> list[str]:
        """What any life of any process logged as an error, or died of."""
        lines = [
            (replica.name, line)
            for replica in self.replicas
            for line in replica.log.read_text(errors="replace").splitlines()
        ]
        return [f"{name}: {line}" for name, line in lines if _is_an_error(line)]


@asynccontextmanager
async def cluster(
    folder: Path, known: Mapping[str, str], counts: Mapping[str, int]
) -> AsyncIterator[Cluster]:
    """So many processes of each service, all ready. They end with the block, at the latest; one that ends
    without being told to fails the test."""
    replicas = [
        Replica(service, number + 1, folder, known)
        for service, count in counts.items()
        for number in range(count)
    ]
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
        for replica in replicas:
            stack.push_async_callback(replica.end)
            await replica.start()
        started = Cluster(replicas, client)
        await started.ready()
        yield started
        for replica in replicas:
            assert replica.runs(), f"{replica.name} has ended by itself:\n{replica.tail()}"


def _is_an_error(line: str) -> bool:
    if not line.startswith("{"):
        # The interpreter also warns here: of the client library's connections that were never made.
        return line.startswith("Traceback")
    event = json.loads(line)
    return event["level"] in ("error", "critical")
