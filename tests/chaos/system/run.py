"""One run: who is there, what they do, and what is known of it at the end."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.chaos.system import checker, letters
from tests.chaos.system.disk import small_disk
from tests.chaos.system.evidence import Evidence
from tests.chaos.system.foreign import Stranger
from tests.chaos.system.gathering import jobs, stored_assets, tables
from tests.chaos.system.hazards import Hazards, Pace
from tests.chaos.system.mishaps import calm, mishaps, plan_failures
from tests.chaos.system.people import People
from tests.chaos.system.progress import Progress, StandsStill
from tests.chaos.system.wishes import Wish, wishes
from tests.distributed.asking import variables
from tests.distributed.beside import beside
from tests.distributed.doors import CUT_OFF, front_door
from tests.distributed.processes import SERVICES, Cluster, cluster
from tests.journeys.around import Around
from tests.journeys.waiting import until
from tests.nodes.postgres import OwnPostgres
from tests.nodes.rabbitmq import OwnRabbitmq

PODS, ENDPOINTS = 2, 1
#: Seconds. A process that is merely slow keeps its leases: whoever loses one while an endpoint has not
#: answered yet is not to be told from one who died, and may cost a second job.
LEASE = "8"
#: Seconds within which what is said last, such as an index.txt, is written once all images have ended. The
#: verifier of the mirrors looks once a minute.
SETTLED = 150.0


@dataclass(frozen=True)
class Size:
    images: int
    render_seconds: float
    #: Images that are asked for ahead of those that have ended.
    ahead: int
    nonsense: int
    strangers: int
    processes: Pace
    neighbours: Pace
    #: Seconds between two mishaps.
    mishap_pauses: tuple[float, float]
    #: Seconds without any step ahead after which the run stands still: far longer than any rest that anybody
    #: here takes between two tries.
    still: float = 150.0

    @property
    def within(self) -> float:
        """Seconds for all of it, where everything is as slow as it may be."""
        return 300 + 2.5 * self.images


@dataclass
class Run:
    size: Size
    dice: random.Random
    around: Around
    system: Cluster
    broker: OwnRabbitmq
    database: OwnPostgres
    storage: Path
    people: People
    stranger: Stranger
    hazards: Hazards
    progress: Progress

    async def to_its_end(self) -> Evidence:
        """Raises StandsStill, with what is open, where there is none."""
        try:
            async with asyncio.TaskGroup() as group:
                beside = [
                    group.create_task(self.progress.watch()),
                    group.create_task(self.progress.guard(self.size.still, self.size.within)),
                ]
                await self._work()
                for task in beside:
                    task.cancel()
        except* StandsStill as still:
            open_ends = await self.progress.open_ends(self.system, self.broker)
            raise StandsStill(f"{still.exceptions[0]}\n{open_ends}") from None
        finally:
            print(self.hazards.told())  # noqa: T201 - whatever became of it
        await self.system.ready()
        return await self._with_letters(await self._settled())

    async def _work(self) -> None:
        """Everybody lives through his wish while things happen; they stop happening when most is done."""
        over, dice, size = asyncio.Event(), self.dice, self.size
        characters = await self.people.characters()
        wanted = wishes(dice, size.images, characters)
        await letters.spy(self.broker.url)
        await plan_failures(self.around)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask(wanted, group))
            group.create_task(self.people.send_nonsense(size.nonsense, random.Random(1), (0.5, 4)))
            group.create_task(self.stranger.interfere(self.people, random.Random(2), size.strangers, (1, 4)))
            group.create_task(self._trouble(over))
            await self.progress.until(0.9 * size.images)
            over.set()

    async def _ask(self, wanted: Sequence[Wish], group: asyncio.TaskGroup) -> None:
        """Never more at once than so many images ahead of what has ended."""
        wished = 0
        for wish in wanted:
            await self.progress.until(wished - self.size.ahead)
            wished += wish.quantity
            group.create_task(self.people.live(wish))

    async def _trouble(self, over: asyncio.Event) -> None:
        """Blows until it is over, and every process up again then."""
        faults = asyncio.create_task(mishaps(self.around, random.Random(3), self.size.mishap_pauses))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.hazards.of_processes(self.size.processes, over))
                group.create_task(self.hazards.of_neighbours(self.size.neighbours, over))
        finally:
            faults.cancel()
            (ended,) = await asyncio.gather(faults, return_exceptions=True)
        if isinstance(ended, Exception):
            raise RuntimeError("the faults ended before the work did") from ended
        await calm(self.around)

    async def _settled(self) -> Evidence:
        """What is known once the last word is written, or time is up for it."""
        evidence: Evidence

        async def settled() -> bool:
            nonlocal evidence
            evidence = await self._evidence()
            return not checker.by_records(evidence) and not evidence.waiting

        with suppress(TimeoutError):
            await until(settled, SETTLED)
        return evidence

    async def _evidence(self) -> Evidence:
        submits, struck, pictures = await jobs(
            self.around.client, self.around.where.backends, self.around.endpoints
        )
        return Evidence(
            asked=self.people.asked,
            refused=frozenset(self.people.refused),
            hopeless=frozenset(self.people.hopeless),
            waiting=await asyncio.to_thread(letters.waiting, self.broker),
            foreign=self.stranger.stored,
            assets=await asyncio.to_thread(stored_assets, self.storage),
            tables=await tables(self.database.url),
            submits=submits,
            struck=struck,
            pictures=pictures,
            blows=self.hazards.blows,
            answers=self.people.answers,
        )

    async def _with_letters(self, evidence: Evidence) -> Evidence:
        told, finished = await letters.told(self.broker.url)
        dead = await letters.dead(self.broker)
        return replace(evidence, told=told, finished=finished, dead=dead)


@asynccontextmanager
async def room(
    broker: OwnRabbitmq, database: OwnPostgres, folder: Path, size: Size, seed: int
) -> AsyncIterator[Run]:
    """Two processes of each service, two pods of two versions, an endpoint, and a small disk for blobs."""
    dice = random.Random(seed)
    versions = ("--comfyui-versions", "0.33.0,0.3.64", "--cold-start-seconds", "1")
    with small_disk(folder / "blobs") as disk:
        async with beside(folder, size.render_seconds, PODS, *versions, endpoints=ENDPOINTS) as around:
            known = variables(around, broker.url, database.url, folder) | {"LEASE_SECONDS": LEASE}
            async with (
                cluster(folder, known, dict.fromkeys(SERVICES, 2)) as system,
                front_door(system.of("gateway"), CUT_OFF) as (client, _),
            ):
                people = People(client, broker.url)
                progress = Progress(people, database.url)
                yield Run(
                    size=size,
                    dice=dice,
                    around=around,
                    system=system,
                    broker=broker,
                    database=database,
                    storage=folder / "sandbox" / "cloudinary",
                    people=people,
                    stranger=Stranger(around.client, around.where.urls()["CLOUDINARY_URL"]),
                    hazards=Hazards(
                        system,
                        broker,
                        database,
                        disk,
                        around,
                        random.Random(seed + 1),
                        lambda: progress.ended,
                    ),
                    progress=progress,
                )
