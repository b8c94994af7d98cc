"""The uploader, put together."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from chassis.blobs import Blobs, open_blobs
from chassis.cloudinary_account import LOOK_SECONDS, open_account
from chassis.database import open_database
from chassis.process import Service, every
from contracts.commands import DeleteImage
from contracts.events import FolderOpened, ImageFailed, ImageReady, IndexReassigned, IndicesReserved
from messaging.bus import Bus, Subscription
from services.uploader import handlers
from services.uploader.adapters.checked_blobs import CheckedBlobs
from services.uploader.adapters.cloudinary_shelf import CloudinaryShelf
from services.uploader.adapters.placeholder import draw
from services.uploader.adapters.recent_batches import RecentBatches
from services.uploader.adapters.sql_folders import SqlFolders
from services.uploader.adapters.sql_ledger import SqlLedger
from services.uploader.mirror import Mirror
from services.uploader.settings import Settings
from services.uploader.sweep import Sweep

NAME = "uploader"
MIGRATIONS = Path(__file__).parent / "adapters" / "migrations"

#: Seconds between two looks for folders whose index.txt is behind: a burst of batches is one write.
MIRROR_SECONDS = 0.4
#: The same after a while without any.
IDLE_SECONDS = 3.0
VERIFY_SECONDS = 30.0
SWEEP_SECONDS = 60.0


@asynccontextmanager
async def open_uploader(settings: Settings, _bus: Bus) -> AsyncIterator[Service]:
    """Raises BadSettings where a setting can't be used; waits for a database that comes later."""
    recent = RecentBatches()
    async with (
        open_database(settings.database_url.get_secret_value(), NAME, MIGRATIONS) as database,
        open_blobs(settings.blobs_url.get_secret_value(), settings.login()) as blobs,
        open_account(settings.cloudinary_url.get_secret_value(), settings.uploads) as account,
        aclosing(
            SqlLedger(database, time.time, at_work(settings.uploads), settings.lease_seconds, recent)
        ) as ledger,
    ):
        shelf = CloudinaryShelf(account, settings.private)
        folders = SqlFolders(database, time.time, recent)
        mirror = Mirror(folders, shelf)
        yield Service(
            NAME,
            subscriptions=subscriptions(ledger, folders, shelf, blobs, settings.uploads),
            loops=[
                lambda: every(MIRROR_SECONDS, mirror.write, "index.txt", IDLE_SECONDS),
                lambda: every(VERIFY_SECONDS, mirror.verify, "index.txt verified"),
                lambda: every(SWEEP_SECONDS, Sweep(blobs, ledger).round, "blob sweep"),
                lambda: every(LOOK_SECONDS, account.look, "storage"),
            ],
            checks={"database": database.trouble, "blob store": blobs.trouble, "storage": account.trouble},
            in_flight=lambda: len(ledger.held),
        )


def at_work(uploads: int) -> int:
    """Images in hand at once: some more than calls to storage, which then never wait for bytes or books."""
    return uploads + 1 + uploads // 3


def subscriptions(
    ledger: SqlLedger, folders: SqlFolders, shelf: CloudinaryShelf, store: Blobs, uploads: int
) -> list[Subscription[Any]]:
    """Who does what with which message."""
    blobs = CheckedBlobs(store)
    buried = partial(handlers.on_dead_image, ledger=ledger)
    return [
        Subscription(NAME, IndicesReserved, partial(handlers.on_indices_reserved, batches=folders)),
        Subscription(NAME, FolderOpened, partial(handlers.on_folder_opened, batches=folders)),
        Subscription(
            NAME,
            ImageReady,
            partial(handlers.on_image_ready, ledger=ledger, shelf=shelf, blobs=blobs),
            buried,
            partial(handlers.forget_bytes, ledger=ledger, blobs=blobs),
            # Enough that an upload's turn never waits for a delivery; bytes are read at the turn, not before.
            prefetch=2 * uploads + 4,
        ),
        Subscription(
            NAME,
            IndexReassigned,
            partial(handlers.on_index_reassigned, batches=folders, ledger=ledger, shelf=shelf, blobs=blobs),
            buried,
        ),
        Subscription(
            NAME,
            ImageFailed,
            partial(handlers.on_image_failed, ledger=ledger, shelf=shelf, draw=draw),
            prefetch=uploads,
        ),
        Subscription(NAME, DeleteImage, partial(handlers.on_delete_image, graves=folders, shelf=shelf)),
    ]
