"""The indexer, put together."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx

from chassis.cloudinary_account import open_account
from chassis.database import open_database
from chassis.process import Service
from chassis.workflows import known_workflows
from contracts.commands import GenerateBatch, OpenFolder
from contracts.events import IndexTaken
from contracts.forms import Forms
from messaging.bus import Bus, Subscription
from services.indexer import handlers
from services.indexer.adapters.adoption import AdoptingFolders
from services.indexer.adapters.cloudinary_shelf import CloudinaryShelf
from services.indexer.adapters.shelves import NewStorage, SharedShelf
from services.indexer.adapters.sql_counters import SqlCounters
from services.indexer.adapters.sql_ledger import MOST_AT_ONCE, SqlLedger
from services.indexer.ports import Folders, Ledger, Shelf
from services.indexer.settings import Settings

NAME = "indexer"
MIGRATIONS = Path(__file__).parent / "adapters" / "migrations"


@asynccontextmanager
async def open_indexer(settings: Settings, _bus: Bus) -> AsyncIterator[Service]:
    """Raises BadSettings where a setting can't be used; waits for a database that comes later."""
    workflows = known_workflows(settings.workflows_dir)
    async with (
        open_database(settings.database_url.get_secret_value(), NAME, MIGRATIONS) as database,
        open_account(settings.cloudinary_url.get_secret_value()) as account,
        httpx.AsyncClient(timeout=10) as http,
        aclosing(SharedShelf(CloudinaryShelf(account, http))) as shelf,
        aclosing(
            AdoptingFolders(
                SqlCounters(database, time.time), shelf if settings.adopt_existing else NewStorage()
            )
        ) as folders,
        aclosing(SqlLedger(database, time.time)) as ledger,
    ):
        yield Service(
            NAME,
            subscriptions=subscriptions(ledger, folders, shelf, workflows, settings.index_padding),
            checks={"database": database.trouble},
        )


def subscriptions(
    ledger: Ledger, folders: Folders, shelf: Shelf, workflows: Forms, padding: int
) -> list[Subscription[GenerateBatch] | Subscription[OpenFolder] | Subscription[IndexTaken]]:
    """Who does what with which message."""
    return [
        Subscription(
            NAME,
            GenerateBatch,
            partial(
                handlers.on_generate_batch,
                ledger=ledger,
                folders=folders,
                workflows=workflows,
                padding=padding,
            ),
            partial(handlers.on_dead_generate_batch, ledger=ledger),
            # As many as share a commit: with fewer at once, groups would be smaller than they could be.
            prefetch=MOST_AT_ONCE,
        ),
        Subscription(NAME, OpenFolder, partial(handlers.on_open_folder, folders=folders)),
        Subscription(
            NAME,
            IndexTaken,
            partial(handlers.on_index_taken, ledger=ledger, shelf=shelf),
            handlers.on_dead_index_taken,
        ),
    ]
