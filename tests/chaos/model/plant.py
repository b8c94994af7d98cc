"""The four services over one ground: each process is put together anew, and knows what its database holds."""

import asyncio
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from chassis.blobs_folder import FolderBlobs
from chassis.database import Database, open_database
from chassis.database_engines import engine_of
from chassis.workflows import known_workflows
from contracts.events import ImageFailed
from contracts.message import Message
from contracts.topology import READERS
from messaging.bus import Subscription
from messaging.consumer import Buried, Done, Verdict, afterwards, settle
from services.gateway import app as gateway
from services.gateway.adapters.relay import Relay
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.sql_marks import SqlMarks
from services.gateway.adapters.sql_outbox import SqlOutbox
from services.gateway.adapters.stage import KnownFleet, LiveStage
from services.indexer import app as indexer
from services.indexer.adapters.adoption import AdoptingFolders
from services.indexer.adapters.shelves import SharedShelf
from services.indexer.adapters.sql_counters import SqlCounters
from services.indexer.adapters.sql_ledger import SqlLedger as Reservations
from services.renderer import app as renderer
from services.renderer.adapters.claims import SqlClaims
from services.renderer.adapters.endings import SqlEndings
from services.renderer.adapters.intake import SqlIntake
from services.renderer.adapters.memory import Memory
from services.renderer.adapters.receipts import SqlReceipts
from services.renderer.adapters.strays import SqlStrays
from services.renderer.adapters.workflows import load_workflows
from services.renderer.domain.dispatch import Offer
from services.renderer.domain.equipment import Wish
from services.renderer.domain.jobs import Picture
from services.renderer.domain.troubles import Hopeless, Limits, Trouble
from services.renderer.domain.workflows import Graph, Workflow
from services.renderer.rendering.announcer import Announcer
from services.renderer.rendering.driver import Driver
from services.renderer.rendering.gleaner import Gleaner
from services.renderer.rendering.progress import Progress
from services.uploader import app as uploader
from services.uploader import handlers
from services.uploader.adapters.sql_folders import SqlFolders
from services.uploader.adapters.sql_ledger import SqlLedger as Assets
from services.uploader.domain.cards import Card
from services.uploader.mirror import Mirror
from services.uploader.sweep import Sweep
from tests.chaos.model.cupboard import Cupboard
from tests.chaos.model.life import Life, Mortal, MortalDatabase
from tests.chaos.model.pods import Machine, Pod
from tests.chaos.model.post import Letter, Post
from tests.services.gateway.no_courier import NoCourier
from tests.services.renderer.stage import WORKFLOWS

LEASE = 15.0
#: Turns of the loop that a task which was woken takes until it runs.
TURNS = 8
MIGRATIONS = {
    "gateway": gateway.MIGRATIONS,
    "indexer": indexer.MIGRATIONS,
    "renderer": renderer.MIGRATIONS,
    "uploader": uploader.MIGRATIONS,
}


class MortalPost:
    """Whoever says several things may die between two of them."""

    def __init__(self, post: Post, life: Life) -> None:
        self._post, self._life = post, life

    async def publish(self, *messages: Message, **_: Any) -> None:
        for message in messages:
            await self._life.cross(outside=True)
            self._post.put(message)
            await self._life.cross(outside=True)


@cache
def connected(url: str, service: str) -> AsyncEngine:
    """Connections outlive a process here, and nothing else does: what died in a transaction rolled it back.
    Making them anew, and compiling every statement again, would take longer than all the rest."""
    engine = engine_of(url, service, 4)
    event.listen(engine.sync_engine, "connect", _in_a_hurry)
    return engine


def _in_a_hurry(connection: Any, _record: Any) -> None:
    """Processes die here; the machine does not, and what it was given to write it writes."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


@cache
def workflows() -> dict[str, Workflow]:
    return load_workflows(WORKFLOWS)


async def lay_out(templates: Path) -> None:
    """Empty databases, to be copied: migrating anew would take longer than most examples."""
    for service in READERS:
        url = f"sqlite+aiosqlite:///{templates}/{service}.db"
        async with (
            open_database(url, service, MIGRATIONS[service]) as database,
            database.read() as connection,
        ):
            await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


@dataclass
class Ground:
    """What outlives every process."""

    folder: Path
    post: Post
    now: Callable[[], float]
    cupboard: Cupboard = field(default_factory=Cupboard)
    machines: list[Machine] = field(default_factory=lambda: [Machine("pod-a"), Machine("pod-b")])

    async def close(self) -> None:
        for service in KINDS:
            await connected(f"sqlite+aiosqlite:///{self.folder}/{service}.db", service).dispose()

    @classmethod
    def on(cls, folder: Path, templates: Path, now: Callable[[], float]) -> "Ground":
        shutil.copytree(templates, folder)
        return cls(folder, Post(now), now)


@dataclass
class Process:
    """One process of one service; its name tells its leases from those of others."""

    service: str
    name: str
    ground: Ground
    life: Life = field(default_factory=Life)
    subscriptions: list[Subscription[Any]] = field(default_factory=list)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def __post_init__(self) -> None:
        url = f"sqlite+aiosqlite:///{self.ground.folder}/{self.service}.db"
        self.database: Database = MortalDatabase(connected(url, self.service), self.life)
        self.closing: list[Any] = []
        self.post = MortalPost(self.ground.post, self.life)
        self.shelf: Any = Mortal(self.ground.cupboard, self.life)
        self.blobs: Any = Mortal(FolderBlobs(self.ground.folder / "blobs"), self.life)

    def subscription(self, message: type[Any]) -> Subscription[Any]:
        return next(one for one in self.subscriptions if one.message is message)

    async def handle(self, letter: Letter) -> None:
        """As the consumer of the broker does it: say, then acknowledge, then the rest."""
        subscription = self.subscription(letter.queue.message)
        verdict = await settle(subscription, letter.envelope, letter.returns)
        await self.carry_out(letter, verdict)
        await self.life.cross(outside=True)
        self.ground.post.acknowledge(letter)
        if isinstance(verdict, Done):
            await afterwards(subscription, verdict.message)

    async def carry_out(self, letter: Letter, verdict: Verdict) -> None:
        match verdict:
            case Done(_, said):
                await self.post.publish(*said)
            case Buried(dead, said):
                await self.post.publish(*said)
                self.ground.post.bury(letter, dead)
            case _:
                self.ground.post.put_off(letter, verdict)

    def start(self, work: Any) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def quiet(self) -> None:
        """Until all that still runs here stands still, or the process is dead."""
        async with asyncio.timeout(20):
            while True:
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                running = {task for task in self.tasks if not task.done()}
                if len(running) <= self.life.still or self.life.dead:
                    return
                self.life.stopped.clear()
                stopped = asyncio.ensure_future(self.life.stopped.wait())
                await asyncio.wait({*running, stopped}, return_when=asyncio.FIRST_COMPLETED)
                stopped.cancel()

    async def end(self) -> None:
        """As SIGKILL does it: nothing more reaches the world, whatever still runs here."""
        self.life.end()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for one in self.closing:
            await one.aclose()


class Gateway(Process):
    def __post_init__(self) -> None:
        super().__post_init__()
        now = self.ground.now
        self.batches = SqlBatches(self.database, now)
        self.marks = SqlMarks(self.database, now)
        self.relay = Relay(SqlOutbox(self.database), self.post, now)
        gallery = SqlGallery(self.database, now)
        self.closing = [self.batches, gallery]
        self.subscriptions = gateway.subscriptions(gallery, LiveStage(), KnownFleet(), NoCourier())


class Indexer(Process):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.ledger = self.reservations()
        shelf = SharedShelf(self.shelf)
        folders = AdoptingFolders(SqlCounters(self.database, self.ground.now), shelf)
        self.closing = [self.ledger, folders, shelf]
        forms = known_forms()
        self.subscriptions = list(indexer.subscriptions(self.ledger, folders, shelf, forms, 0))

    def reservations(self) -> Reservations:
        return Reservations(self.database, self.ground.now)


@cache
def known_forms() -> Any:
    return known_workflows(WORKFLOWS)


class Renderer(Process):
    def __post_init__(self) -> None:
        super().__post_init__()
        now, limits = self.ground.now, Limits(rest=0.0, poll=0.0, patience=0.0)
        self.fleet = Fleet([self.pod(machine) for machine in self.ground.machines])
        endings, receipts = SqlEndings(self.database, self.name, now), SqlReceipts(self.database, self.name)
        strays = SqlStrays(self.database, now)
        bus: Any = self.post
        self.announcer = Announcer(bus, endings, endings, limits, now)
        memory = Memory()
        self.claims = SqlClaims(self.database, self.name, LEASE, now, lambda _: None, lambda _: (), memory)
        self.gleaner = Gleaner(strays, self.fleet, workflows(), limits, now)
        self.driver = Driver(
            endings=endings,
            receipts=receipts,
            strays=strays,
            blobs=self.blobs,
            fleet=self.fleet,
            workflows=workflows(),
            limits=limits,
            clock=now,
            progress=Progress(bus, now),
            announce=self.announcer.tell,
            examine=examine,
        )
        self.driven: dict[Any, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self.closing = [endings, receipts]
        self.subscriptions = renderer.subscriptions(SqlIntake(self.database, now, memory), asyncio.Event())

    def pod(self, machine: Machine) -> Pod:
        return Pod(machine, self.life)

    async def claim(self) -> None:
        for job in await self.claims.claim(self.fleet.offers(), self.fleet.known()):
            if job.key not in self.driven:
                cancel = asyncio.Event()
                task = self.start(self.driver.drive(job, cancel))
                self.driven[job.key] = task, cancel
                task.add_done_callback(partial(self._ended, job.key))

    async def beat(self) -> None:
        """Renews its leases, lets go of what others took over, and hears of cancels."""
        held = set(self.driven)
        for key in held - await self.claims.extend(held):
            self.driven[key][0].cancel()
        for key in await self.claims.cancelled():
            if key in self.driven:
                self.driven[key][1].set()

    def _ended(self, key: Any, task: "asyncio.Task[None]") -> None:
        del self.driven[key]
        if not task.cancelled():
            task.exception()


@dataclass
class Fleet:
    """Implements the renderer's `Fleet` over backends that are always worth a try."""

    pods: list[Any]

    def offers(self) -> list[Offer]:
        return [Offer(pod.name, 2) for pod in self.pods]

    def known(self) -> list[str]:
        return [pod.name for pod in self.pods]

    def backend(self, name: str) -> Any:
        return next(pod for pod in self.pods if pod.name == name)

    def elsewhere(self, name: str) -> bool:
        return True

    def healthy(self, name: str) -> bool:
        return True

    def failed(self, name: str, reason: str) -> None: ...

    def measured(self, name: str, gpu_ms: int) -> None: ...

    def check(self, name: str, wish: Wish, graph: Graph) -> None: ...

    def refused(self, name: str, wish: Wish, why: Hopeless) -> Trouble:
        return why


class Uploader(Process):
    def __post_init__(self) -> None:
        super().__post_init__()
        now = self.ground.now
        self.ledger = Assets(self.database, now, 4, LEASE)
        folders = SqlFolders(self.database, now)
        self.mirror = Mirror(folders, self.shelf)
        self.sweep = Sweep(self.blobs, self.ledger, young=0.0)
        self.closing = [self.ledger]
        placing = partial(handlers.on_image_failed, ledger=self.ledger, shelf=self.shelf, draw=draw)
        known = uploader.subscriptions(self.ledger, folders, self.shelf, self.blobs, 4)
        self.subscriptions = [one for one in known if one.message is not ImageFailed]
        self.subscriptions.append(Subscription("uploader", ImageFailed, placing))


async def examine(data: bytes) -> Picture:
    """Bytes that stand for an image: decoding is none of the questions here."""
    return Picture(data, hashlib.md5(data, usedforsecurity=False).hexdigest(), "image/png", 64, 64)


async def draw(card: Card) -> bytes:
    return f"placeholder {card.character} {card.index} {card.reason}".encode()


KINDS: dict[str, type[Process]] = {
    "gateway": Gateway,
    "indexer": Indexer,
    "renderer": Renderer,
    "uploader": Uploader,
}
