"""Finished bytes that wait in the blob store for images that nobody stores: shown, and dropped by hand."""

import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chassis.blob_keys import BlobKey
from chassis.blobs import Blobs, BlobSettings, open_blobs
from chassis.settings import BadSettings, Settings, read
from cli import ages
from cli.databases import DatabaseSettings, answering
from messaging.errors import PermanentError
from services.uploader.adapters.sql_ledger import SqlLedger
from services.uploader.app import MIGRATIONS
from services.uploader.domain.rows import Row, State
from services.uploader.sweep import Blob, blobs_in

Tell = Callable[[str], None]


class LeftoverSettings(BlobSettings, DatabaseSettings):
    """The uploader's store and ledger."""


@dataclass(frozen=True)
class Leftovers:
    """What may be dropped, and where from."""

    store: Blobs
    ledger: SqlLedger

    async def older_than(self, seconds: float) -> list[Blob]:
        """Oldest first. What is not listed goes by itself once its image is stored."""
        found = [blob async for blob in blobs_in(self.store, self.ledger, seconds) if blob.is_needed]
        return sorted(found, key=lambda blob: blob.age, reverse=True)

    async def named(self, wanted: Collection[BlobKey]) -> list[Blob]:
        """Raises BadSettings where nothing lies at one of them."""
        found = [blob async for blob in blobs_in(self.store, self.ledger, 0.0) if blob.key in wanted]
        if missing := sorted(map(str, set(wanted) - {blob.key for blob in found})):
            raise BadSettings(f"nothing lies at {', '.join(missing)}")
        return found

    async def drop(self, blobs: Iterable[Blob]) -> None:
        for blob in blobs:
            await self.store.remove(str(blob.key))


@asynccontextmanager
async def leftovers() -> AsyncIterator[Leftovers]:
    """Raises BadSettings where store or ledger can't be used, Outage where they do not answer."""
    settings = read(LeftoverSettings, {"BLOBS_URL": f"file:{read(Settings).var_dir / 'blobs'}"})
    async with (
        answering(settings, "uploader", MIGRATIONS) as database,
        open_blobs(settings.blobs_url.get_secret_value(), settings.login()) as store,
    ):
        yield Leftovers(store, SqlLedger(database, time.time, at_once=1, lease=0.0))


async def show(older_than: str, tell: Tell) -> None:
    """Raises BadSettings and Outage, as `leftovers`."""
    seconds = ages.seconds(older_than)
    async with leftovers() as there:
        _show(await there.older_than(seconds), tell)


async def drop(keys: Sequence[str], older_than: str, sure: Callable[[], bool], tell: Tell) -> None:
    """What is named, or what is listed of that age, once `sure` says so. Raises as `show`."""
    if bool(keys) == bool(older_than):
        raise BadSettings("name the keys to drop, or give --older-than: one of the two")
    named, seconds = {_key(key) for key in keys}, ages.seconds(older_than) if older_than else 0.0
    async with leftovers() as there:
        found = await (there.named(named) if named else there.older_than(seconds))
        _show(found, tell)
        if found and sure():
            await there.drop(found)
            tell(f"{len(found)} dropped")


def _show(blobs: Sequence[Blob], tell: Tell) -> None:
    if not blobs:
        tell("nothing waits")
    for blob in blobs:
        tell(f"{ages.in_words(blob.age):>6}  {blob.key}  {known(blob.row)}")


def known(row: Row | None) -> str:
    """What the uploader knows of the image that the bytes are for."""
    if row is None:
        return "the uploader never heard of this image"
    name = row.place.name
    if row.state is State.TAKEN:
        return f"{name}: its number is taken, waits for another"
    if row.state is State.STORED:
        return f"{name}: stored, as a placeholder" if row.placeholder else f"{name}: stored"
    if row.state is State.DELETED:
        return f"{name}: deleted"
    return f"{name}: not stored yet"


def _key(name: str) -> BlobKey:
    try:
        return BlobKey.of(name)
    except PermanentError as why:
        raise BadSettings(f"{name!r}: {why}") from None
