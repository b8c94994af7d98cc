"""The databases and the storage that counters are compared in."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import Field

from chassis.cloudinary_account import open_account
from chassis.database import Database, open_database
from chassis.settings import BadSettings, Settings, Url, read
from messaging.errors import Outage
from services.indexer.adapters.cloudinary_shelf import CloudinaryShelf as Listing
from services.indexer.adapters.sql_counters import SqlCounters
from services.indexer.app import MIGRATIONS as INDEXER_TABLES
from services.uploader.adapters.cloudinary_shelf import CloudinaryShelf as IndexFiles
from services.uploader.adapters.sql_folders import SqlFolders
from services.uploader.app import MIGRATIONS as UPLOADER_TABLES
from services.uploader.mirror import Mirror

#: Seconds that a database has to answer; a service would wait for it, a person wants to know.
PATIENCE = 15.0


class CounterSettings(Settings):
    """Where counters, mirrors and images are."""

    database_url: Url | None = Field(
        None, description="as the services have it; unset: the files of the system in one process"
    )
    cloudinary_url: Url = Field(description="`cloudinary://key:secret@cloud`, where images are stored")


@dataclass(frozen=True)
class Sources:
    counters: SqlCounters
    listing: Listing
    mirrors: SqlFolders
    files: IndexFiles
    #: Writes what `mirrors` marks, in turn with the uploaders that run.
    mirror: Mirror


@asynccontextmanager
async def sources() -> AsyncIterator[Sources]:
    """Raises BadSettings where a setting is missing or wrong, Outage where a database does not answer."""
    settings = read(CounterSettings)
    async with (
        _answering(settings, "indexer", INDEXER_TABLES) as indexer,
        _answering(settings, "uploader", UPLOADER_TABLES) as uploader,
        open_account(settings.cloudinary_url.get_secret_value(), 4) as account,
        httpx.AsyncClient(timeout=10) as http,
    ):
        mirrors = SqlFolders(uploader, time.time)
        files = IndexFiles(account)
        counters, listing = SqlCounters(indexer, time.time), Listing(account, http)
        yield Sources(counters, listing, mirrors, files, Mirror(mirrors, files))


@asynccontextmanager
async def _answering(settings: CounterSettings, service: str, tables: Path) -> AsyncIterator[Database]:
    async with AsyncExitStack() as stack:
        opening = open_database(_url(settings, service), service, tables)
        try:
            async with asyncio.timeout(PATIENCE):
                database = await stack.enter_async_context(opening)
        except TimeoutError:
            raise Outage(f"the {service}'s database does not answer; check DATABASE_URL") from None
        yield database


def _url(settings: CounterSettings, service: str) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    file = settings.var_dir / f"{service}.db"
    if not file.exists():
        raise BadSettings(
            f"DATABASE_URL is not set, and {file} does not exist: set what the services have, or VAR_DIR"
        )
    return f"sqlite+aiosqlite:///{file}"
