"""The gateway, put together."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from chassis.database import Database, once_there, open_database
from chassis.process import Loop, Service, every
from chassis.workflows import known_workflows
from contracts.events import (
    BatchRejected,
    ImageDeleted,
    ImageFailed,
    ImageStored,
    IndexReassigned,
    IndicesReserved,
)
from contracts.forms import Forms
from contracts.transient import ChangesLogged, RenderProgress, ServiceStatus
from messaging.bus import Bus, M, Subscription
from services.gateway import handlers
from services.gateway.adapters.archive import StoredImages
from services.gateway.adapters.http.app import build
from services.gateway.adapters.http.desk import Desk
from services.gateway.adapters.http.places import Exports
from services.gateway.adapters.http.streams import Streams
from services.gateway.adapters.http.webhook_desk import WebhookDesk
from services.gateway.adapters.log_watch import LogWatch
from services.gateway.adapters.relay import Relay
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_changes import SqlChanges
from services.gateway.adapters.sql_collections import SqlCollections
from services.gateway.adapters.sql_figures import SqlFigures
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.sql_keys import SqlKeys
from services.gateway.adapters.sql_marks import SqlMarks
from services.gateway.adapters.sql_outbox import SqlOutbox
from services.gateway.adapters.sql_pictures import SqlPictures
from services.gateway.adapters.sql_registry import SqlRegistry
from services.gateway.adapters.stage import KnownFleet, LiveStage
from services.gateway.adapters.tokens import Tokens
from services.gateway.adapters.webhooks.post import open_post
from services.gateway.domain.limits import Limits
from services.gateway.operate_ports import OperateDesk
from services.gateway.ports import Courier
from services.gateway.settings import Settings

MIGRATIONS = Path(__file__).parent / "adapters" / "migrations"
#: Events that are projected at once: a batch's events take turns anyway.
EVENTS = 32
#: Archives that one process sends at once, and of them to one user.
EXPORTS, EXPORTS_PER_USER = 8, 1
#: Single images that one process holds at once to send them, and of them to one user.
DOWNLOADS, DOWNLOADS_PER_USER = 32, 6
#: Seconds that storage may be silent while an archive is made.
STORAGE_SECONDS = 30.0
#: Seconds between two looks for what is too old.
SWEEP = 60.0


@asynccontextmanager
async def open_gateway(settings: Settings, bus: Bus) -> AsyncIterator[Service]:
    """Raises BadSettings where no workflow can be asked for."""
    workflows = known_workflows(settings.workflows_dir)
    async with open_database(settings.database_url.get_secret_value(), "gateway", MIGRATIONS) as database:
        outbox = SqlOutbox(database)
        if settings.resend_at_start:
            await once_there(outbox.all_due)
        async with _opened(settings, bus, database, Relay(outbox, bus), workflows) as service:
            yield service


@asynccontextmanager
async def _opened(
    settings: Settings, bus: Bus, database: Database, relay: Relay, workflows: Forms
) -> AsyncIterator[Service]:
    limits = Limits(settings.images_per_user, settings.batches_per_minute, settings.images_in_all)
    async with (
        open_post(settings, database) as post,
        httpx.AsyncClient(timeout=STORAGE_SECONDS) as http,
        aclosing(SqlBatches(database, limits=limits, sender=relay)) as batches,
        aclosing(SqlGallery(database)) as gallery,
        aclosing(SqlKeys(database, settings.idempotency_hours * 3600)) as keys,
    ):
        stage, fleet, changes = LiveStage(), KnownFleet(), SqlChanges(database)
        watch = LogWatch(changes, stage, await once_there(changes.newest))
        desk = Desk(
            tokens=Tokens(settings),
            registry=SqlRegistry(database),
            batches=batches,
            pictures=SqlPictures(database),
            marks=SqlMarks(database),
            collections=SqlCollections(database),
            webhooks=WebhookDesk(post.webhooks, post.log, post.receivers, post.courier.ring),
            changes=changes,
            feed=changes,
            keys=keys,
            streams=Streams(settings.event_streams, settings.event_streams_per_user),
            relay=relay,
            stage=stage,
            workflows=workflows,
            generate_wait=settings.generate_wait,
            limits=limits,
            exports=Exports(EXPORTS, EXPORTS_PER_USER),
            downloads=Exports(DOWNLOADS, DOWNLOADS_PER_USER, "too_many_downloads"),
            stored=StoredImages(http),
            operate=OperateDesk(fleet, SqlFigures(database), bus.dead),
        )
        yield Service(
            name="gateway",
            subscriptions=subscriptions(gallery, stage, fleet, post.courier),
            loops=[relay.run, watch.run, *post.loops, *sweeps(keys, changes, settings)],
            checks={"database": database.trouble},
            web=partial(build, desk, image_hosts=settings.image_hosts),
            # The outbox keeps what is accepted meanwhile.
            outlasts_bus=True,
            linger=settings.drain_seconds,
            stopping=stage.close,
        )


def sweeps(keys: SqlKeys, changes: SqlChanges, settings: Settings) -> list[Loop]:
    """Forget what nobody has to remember any longer."""

    async def prune_changes() -> None:
        await changes.prune(time.time() - settings.changes_days * 86_400)

    return [
        partial(every, SWEEP, keys.prune, "idempotency keys"),
        partial(every, SWEEP, prune_changes, "old changes"),
    ]


def subscriptions(
    gallery: SqlGallery, stage: LiveStage, fleet: KnownFleet, courier: Courier
) -> list[Subscription[Any]]:
    def growing(message: type[M], handler: Callable[..., Any]) -> Subscription[M]:
        heard = partial(handlers.growing, handler=handler, gallery=gallery, stage=stage)
        return Subscription("gateway", message, heard, prefetch=EVENTS)

    return [
        growing(IndicesReserved, handlers.on_indices_reserved),
        growing(BatchRejected, handlers.on_batch_rejected),
        growing(ImageStored, handlers.on_image_stored),
        growing(ImageFailed, handlers.on_image_failed),
        growing(IndexReassigned, handlers.on_index_reassigned),
        growing(ImageDeleted, handlers.on_image_deleted),
        Subscription("gateway", RenderProgress, partial(handlers.on_render_progress, stage=stage)),
        Subscription(
            "gateway", ChangesLogged, partial(handlers.on_changes_logged, stage=stage, courier=courier)
        ),
        Subscription("gateway", ServiceStatus, partial(handlers.on_service_status, fleet=fleet)),
    ]
