"""The renderer, put together."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from chassis.blobs import open_blobs
from chassis.database import open_database
from chassis.process import INSTANCE, Service, every
from chassis.settings import BadSettings
from contracts.commands import CancelBatch, RetryImages
from contracts.events import IndicesReserved
from contracts.transient import ImagesWaiting
from messaging.bus import Bus, Subscription
from services.renderer import handlers
from services.renderer.adapters.claims import SqlClaims
from services.renderer.adapters.comfyui.pod import read_pod
from services.renderer.adapters.endings import open_endings
from services.renderer.adapters.fleet import MixedFleet, open_fleet
from services.renderer.adapters.intake import SqlIntake
from services.renderer.adapters.memory import Memory
from services.renderer.adapters.pictures import examine
from services.renderer.adapters.places import BadAddress, Kinds, Pace, Place, Places
from services.renderer.adapters.receipts import open_receipts
from services.renderer.adapters.runpod.endpoint import Account, read_endpoint
from services.renderer.adapters.runpod.hooks import Hooks
from services.renderer.adapters.strays import SqlStrays
from services.renderer.adapters.workflows import BadWorkflow, load_workflows
from services.renderer.domain.troubles import Limits
from services.renderer.domain.workflows import Workflow, wished
from services.renderer.ports import Intake
from services.renderer.rendering import metrics
from services.renderer.rendering.announcer import Announcer
from services.renderer.rendering.crew import Crew
from services.renderer.rendering.driver import Driver
from services.renderer.rendering.gleaner import Gleaner
from services.renderer.rendering.progress import Progress
from services.renderer.settings import FleetSettings, Settings

NAME = "renderer"
#: Seconds between two words about places in the queue.
TELLING = 2.0
#: Seconds between two looks at which part of the work is ours.
SHARING = 2.0
#: The same while none is rendered.
IDLE = 5.0
#: Seconds between two settings of the gauges, and of the one that is counted in the database.
SHOWING, COUNTING = 1.0, 5.0
MIGRATIONS = Path(__file__).parent / "adapters" / "migrations"


@asynccontextmanager
async def open_renderer(settings: Settings, bus: Bus, owner: str = INSTANCE) -> AsyncIterator[Service]:
    """`owner` tells this process's leases from those of its replicas. Raises BadSettings where a setting or a
    workflow can't be used; waits for a database that comes later."""
    hooks = Hooks(settings.renderer_public_url)
    workflows, places, first = read_fleet(settings, hooks)
    wake, clock, limits, memory = asyncio.Event(), time.time, _limits(settings), Memory()
    async with (
        open_database(settings.database_url.get_secret_value(), NAME, MIGRATIONS) as database,
        open_blobs(settings.blobs_url.get_secret_value(), settings.login()) as blobs,
        open_fleet(places, first, wake, partial(wished, workflows)) as fleet,
        open_receipts(database, owner) as receipts,
        open_endings(database, owner, clock) as endings,
    ):
        announcer = Announcer(bus, endings, endings, limits, clock)
        progress = Progress(bus, clock)
        strays = SqlStrays(database, clock)
        driver = Driver(
            endings=endings,
            receipts=receipts,
            strays=strays,
            blobs=blobs,
            fleet=fleet,
            workflows=workflows,
            limits=limits,
            clock=clock,
            progress=progress,
            announce=announcer.tell,
            examine=examine,
        )
        claims = SqlClaims(database, owner, settings.lease_seconds, clock, fleet.takers, fleet.fond, memory)
        gleaner = Gleaner(strays, fleet, workflows, limits, clock)
        crew = Crew(claims, fleet, driver.drive, wake, settings.lease_seconds)
        yield Service(
            NAME,
            subscriptions=subscriptions(SqlIntake(database, clock, memory), wake),
            loops=(
                fleet.run,
                crew.run,
                announcer.run,
                progress.run,
                gleaner.run,
                partial(_tell, progress, claims),
                partial(_show, fleet, crew),
                partial(_count, claims),
                partial(_share, fleet, claims),
            ),
            checks={"database": database.trouble, "blob store": blobs.trouble, "fleet": fleet.trouble},
            in_flight=lambda: crew.in_flight,
            backends=fleet.statuses,
            routes=hooks.routes(),
        )


def subscriptions(book: Intake, wake: asyncio.Event) -> list[Subscription[Any]]:
    """Who does what with which message."""
    return [
        Subscription(
            NAME,
            IndicesReserved,
            partial(handlers.on_indices_reserved, book=book, bell=wake),
            partial(handlers.bury_indices_reserved, book=book),
        ),
        Subscription(NAME, RetryImages, partial(handlers.on_retry_images, book=book, bell=wake)),
        Subscription(NAME, CancelBatch, partial(handlers.on_cancel_batch, book=book)),
        Subscription(NAME, ImagesWaiting, partial(handlers.on_images_waiting, bell=wake)),
    ]


async def _tell(progress: Progress, claims: SqlClaims) -> None:
    async def tell() -> None:
        if not claims.quiet:
            await progress.waiting(claims)

    await every(TELLING, tell, "places in the queue")


async def _show(fleet: MixedFleet, crew: Crew) -> None:
    async def show() -> None:
        metrics.show(fleet.statuses(), crew.in_flight)

    await every(SHOWING, show, "gauges")


async def _count(claims: SqlClaims) -> None:
    async def count() -> None:
        metrics.WAITING.set(0 if claims.quiet else await claims.backlog())

    await every(COUNTING, count, "waiting images")


async def _share(fleet: MixedFleet, claims: SqlClaims) -> None:
    async def share() -> bool:
        parts = {} if claims.quiet else await claims.parts()
        fleet.share(parts)
        return bool(parts)

    await every(SHARING, share, "parts of the work", IDLE)


def _limits(settings: Settings) -> Limits:
    return Limits(
        render=settings.render_deadline,
        image=settings.image_deadline,
        rest=settings.retry_seconds,
        poll=settings.poll_seconds,
        patience=settings.patience_seconds,
    )


def _account(settings: FleetSettings, hooks: Hooks) -> Account:
    key = settings.runpod_api_key
    return Account(
        api_url=settings.runpod_api_url,
        api_key=key.get_secret_value() if key else None,
        hooks=hooks,
        deadline=settings.render_deadline,
        hook_wait=settings.runpod_hook_seconds,
    )


def read_fleet(settings: FleetSettings, hooks: Hooks) -> tuple[dict[str, Workflow], Places, list[Place]]:
    """The workflows, the list of backends, and what it says now. Raises BadSettings."""
    account = _account(settings, hooks)
    try:
        workflows = load_workflows(settings.workflows_dir)
        classes = frozenset(name for each in workflows.values() for name in each.classes)
        places = Places(settings.renderer_urls.get_secret_value(), _kinds(settings, classes, account))
        return workflows, places, places.read()
    except (BadWorkflow, BadAddress) as why:
        raise BadSettings(str(why)) from None


def _kinds(settings: FleetSettings, classes: frozenset[str], account: Account) -> Kinds:
    """Every scheme that a renderer URL may have."""
    pace = Pace(settings.depth, settings.stagger_ms / 1000)
    pods = partial(read_pod, usual=pace, classes=classes)
    return {"comfyui+http": pods, "comfyui+https": pods, "runpod": partial(read_endpoint, account=account)}
