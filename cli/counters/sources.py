"""The databases and the storage that counters are compared in."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from pydantic import Field

from chassis.cloudinary_account import open_account
from chassis.settings import Url, read
from cli.databases import DatabaseSettings, answering
from services.indexer.adapters.cloudinary_shelf import CloudinaryShelf as Listing
from services.indexer.adapters.sql_counters import SqlCounters
from services.indexer.app import MIGRATIONS as INDEXER_TABLES
from services.uploader.adapters.cloudinary_shelf import CloudinaryShelf as IndexFiles
from services.uploader.adapters.sql_folders import SqlFolders
from services.uploader.app import MIGRATIONS as UPLOADER_TABLES
from services.uploader.mirror import Mirror


class CounterSettings(DatabaseSettings):
    """Where counters, mirrors and images are."""

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
        answering(settings, "indexer", INDEXER_TABLES) as indexer,
        answering(settings, "uploader", UPLOADER_TABLES) as uploader,
        open_account(settings.cloudinary_url.get_secret_value(), 4) as account,
        httpx.AsyncClient(timeout=10) as http,
    ):
        mirrors = SqlFolders(uploader, time.time)
        files = IndexFiles(account)
        counters, listing = SqlCounters(indexer, time.time), Listing(account, http)
        yield Sources(counters, listing, mirrors, files, Mirror(mirrors, files))
