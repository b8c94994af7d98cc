"""What is done to processes, neighbours and the disk, drawn from a seed, until the work is nearly done."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.chaos.system.disk import Disk
from tests.chaos.system.evidence import Blow
from tests.chaos.system.mishaps import skew
from tests.distributed.processes import SERVICES, Cluster, Replica
from tests.journeys.around import Around
from tests.journeys.waiting import until
from tests.nodes.postgres import OwnPostgres
from tests.nodes.rabbitmq import OwnRabbitmq

Deed = Callable[[], Awaitable[None]]
#: Seconds for which a blow waits at most for images to end.
PATIENCE = 20.0


@dataclass(frozen=True)
class Pace:
    """Seconds between two blows, and images that are to end meanwhile: on a machine that is busy with other
    things as much is done between two blows as on one that is not."""

    pauses: tuple[float, float]
    images: int


@dataclass
class Hazards:
    system: Cluster
    broker: OwnRabbitmq
    database: OwnPostgres
    disk: Disk
    around: Around
    dice: random.Random
    #: How many images have ended.
    ended: Callable[[], int]
    blows: list[Blow] = field(default_factory=list)

    def told(self) -> str:
        """What was done and when, in seconds from the first blow."""
        begun = min((blow.at for blow in self.blows), default=0.0)
        return "\n".join(
            f"{blow.at - begun:8.1f} to {blow.until - begun:6.1f}  {blow.whom} {blow.kind}"
            for blow in self.blows
        )

    async def of_processes(self, pace: Pace, over: asyncio.Event) -> None:
        """Each service is killed, frozen, restarted, and killed whole, before any is so again."""
        await self._in_turn({**self._deeds_to_one(), **self._deeds_to_both()}, pace, over)

    async def of_neighbours(self, pace: Pace, over: asyncio.Event) -> None:
        """Broker, database, disk and the ways between, each in every manner, before any is met again."""
        deeds: dict[str, Deed] = {
            "broker restarted": self._restart_broker,
            "broker killed": self._kill_broker,
            "broker frozen": self._freeze_broker,
            "database restarted": self._restart_database,
            "database killed": self._kill_database,
            "database frozen": self._freeze_database,
            "disk full": self._fill_disk,
            "latency skewed": self._skew,
        }
        await self._in_turn(deeds, pace, over)

    async def _in_turn(self, deeds: Mapping[str, Deed], pace: Pace, over: asyncio.Event) -> None:
        while True:
            for name in self.dice.sample(sorted(deeds), len(deeds)):
                if await _over_within(self.dice.uniform(*pace.pauses), over):
                    return
                await self._moved(pace.images, over)
                await deeds[name]()

    async def _moved(self, images: int, over: asyncio.Event) -> None:
        """Returns once so many have ended, or patience has."""
        goal = self.ended() + images
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self.ended() < goal and not await _over_within(0.2, over):
                    pass

    def _deeds_to_one(self) -> dict[str, Deed]:
        manners = {"killed": self._kill, "frozen": self._freeze, "restarted": self._restart}
        return {
            f"{service} {manner}": lambda service=service, deed=deed: deed(self._any(service))  # type: ignore[misc]
            for service in SERVICES
            for manner, deed in manners.items()
        }

    def _deeds_to_both(self) -> dict[str, Deed]:
        return {
            f"{service} killed whole": lambda service=service: self._kill_all(service)  # type: ignore[misc]
            for service in SERVICES
        }

    def _any(self, service: str) -> Replica:
        return self.dice.choice(self.system.of(service))

    async def _kill(self, replica: Replica) -> None:
        async with self._noted("killed", replica.name):
            await replica.kill()
            await replica.start()

    async def _kill_all(self, service: str) -> None:
        async with self._noted("killed whole", service):
            await asyncio.gather(*(replica.kill() for replica in self.system.of(service)))
            await asyncio.sleep(self.dice.uniform(0, 2))
            await asyncio.gather(*(replica.start() for replica in self.system.of(service)))

    async def _freeze(self, replica: Replica) -> None:
        """Now and then for longer than its leases: somebody else takes its work over before it wakes up."""
        async with self._noted("frozen", replica.name):
            os.kill(replica.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(self.dice.uniform(2.5, 11))
            finally:
                os.kill(replica.pid, signal.SIGCONT)

    async def _restart(self, replica: Replica) -> None:
        await self._listens(replica)
        async with self._noted("restarted", replica.name):
            await replica.stop()
            await replica.start()

    async def _listens(self, replica: Replica) -> None:
        """Returns once it answers at all: before that, there is nobody yet who could end in good order."""

        async def answers() -> bool:
            return await replica.troubles(self.system.client) is not None

        await until(answers)

    async def _restart_broker(self) -> None:
        async with self._noted("restarted", "broker"):
            await self.broker.restart()

    async def _kill_broker(self) -> None:
        async with self._noted("killed", "broker"):
            await self.broker.kill()
            await self.broker.start()

    async def _freeze_broker(self) -> None:
        async with self._noted("frozen", "broker"):
            await self._pause(self.broker)

    async def _restart_database(self) -> None:
        async with self._noted("restarted", "database"):
            await self.database.stop()
            await asyncio.sleep(self.dice.uniform(0, 3))
            await self.database.start()

    async def _kill_database(self) -> None:
        async with self._noted("killed", "database"):
            await self.database.kill()
            await self.database.start()

    async def _freeze_database(self) -> None:
        async with self._noted("frozen", "database"):
            await self._pause(self.database)

    async def _pause(self, node: OwnRabbitmq | OwnPostgres) -> None:
        node.pause()
        try:
            await asyncio.sleep(self.dice.uniform(2, 5))
        finally:
            node.resume()

    async def _fill_disk(self) -> None:
        async with self._noted(f"full ({self.disk.means})", "disk"):
            self.disk.fill()
            try:
                await asyncio.sleep(self.dice.uniform(2, 5))
            finally:
                self.disk.free()

    async def _skew(self) -> None:
        async with self._noted("latency", "stand-ins"):
            await skew(self.around, self.dice.uniform(0.3, 1.5))

    @asynccontextmanager
    async def _noted(self, kind: str, whom: str) -> AsyncIterator[None]:
        at = time.time()
        try:
            yield
        finally:
            self.blows.append(Blow(kind, whom, at, time.time()))


async def _over_within(seconds: float, over: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await over.wait()
    except TimeoutError:
        return False
