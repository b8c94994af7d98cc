"""The asset ledger in a database: one transaction for each decision, leases renewed while work goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from uuid import uuid4

import structlog
from prometheus_client import Counter
from sqlalchemy import ColumnElement, insert, or_, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.process import INSTANCE
from contracts.events import IndicesReserved
from messaging.errors import DeliveryError, Later
from services.uploader.adapters.names import lock_name
from services.uploader.adapters.rows import columns, row_of
from services.uploader.adapters.tables import ASSETS, BATCHES, GRAVES
from services.uploader.domain.rows import Known, Place, Row, State
from services.uploader.domain.steps import Say, Step, Store, wished
from services.uploader.ports import C

log = structlog.get_logger("uploader")

ENDED = Counter("darkroom_uploads", "Ends of attempts to store an image", ["end"])

Key = tuple[str, int]


class SqlLedger:
    """Implements `Ledger`. At most `at_once` claims of this process are worked on; others wait their turn.
    A claim outlives its process by `lease` seconds; it is renewed three times as often."""

    def __init__(self, database: Database, clock: Callable[[], float], at_once: int, lease: float) -> None:
        self._database = database
        self._clock = clock
        self._turns = asyncio.Semaphore(at_once)
        self._lease = lease
        #: Leases that this process has to renew or to give back.
        self.held: set[str] = set()

    async def decide(self, cause: C, rule: Callable[[Known, C, float], Step]) -> Step:
        try:
            async with self._database.begin() as connection:
                known = await self._known(connection, cause)
                step = rule(known, cause, self._clock())
                if isinstance(step, Store):
                    lease = f"{INSTANCE[:40]}/{uuid4().hex[:16]}"
                    until = self._clock() + self._lease
                    step = replace(step, row=replace(step.row, lease=lease, lease_until=until))
                if step.row is not None:
                    await self._write(connection, known.row, step.row)
        except IntegrityError:
            raise Later("somebody else has just claimed this image or its name", delay=0) from None
        if isinstance(step, Say) and step.row is not None:
            _tell(step.row)
        return step

    @asynccontextmanager
    async def holding(self, claim: Store) -> AsyncIterator[None]:
        lease = claim.row.lease
        assert lease is not None, "a claim comes with its lease"
        self.held.add(lease)
        renewing = asyncio.create_task(self._renew(lease))
        try:
            async with self._turns:
                yield
        except asyncio.CancelledError:
            self.held.discard(lease)
            raise
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            if lease in self.held:
                self.held.discard(lease)
                await self._give_back(lease)

    async def keep(self, held: Store, row: Row) -> None:
        now = self._clock()
        if row.lease is not None:
            # The lease was renewed in the table meanwhile; the row in hand does not know.
            row = replace(row, lease_until=now + self._lease)
        mine = (*_is(row.key), ASSETS.c.lease == held.row.lease)
        try:
            async with self._database.begin() as connection:
                done = await connection.execute(update(ASSETS).where(*mine).values(columns(row, now)))
        except IntegrityError:
            raise Later("somebody else has just claimed this name", delay=0) from None
        if not done.rowcount:
            raise Later("the lease was lost while the image was stored", delay=0)
        if row.lease is None:
            self.held.discard(held.row.lease or "")
            _tell(row)

    async def known(self, batch_id: str, ordinal: int) -> Known:
        async with self._database.read() as connection:
            line = (
                (await connection.execute(select(ASSETS).where(*_is((batch_id, ordinal))))).mappings().first()
            )
            return Known(row_of(line) if line else None, batch=await _batch(connection, batch_id))

    async def rows(self, keys: Collection[Key]) -> dict[Key, Row]:
        """What is known of these images, without those that are not known at all."""
        wanted = tuple_(ASSETS.c.batch_id, ASSETS.c.ordinal).in_(keys)
        async with self._database.read() as connection:
            lines = (await connection.execute(select(ASSETS).where(wanted))).mappings()
            return {row.key: row for row in map(row_of, lines)}

    async def _known(self, connection: AsyncConnection, cause: C) -> Known:
        batch = await _batch(connection, cause.batch_id)
        own = (cause.batch_id, cause.ordinal)
        row = await _row(connection, *_is(own))
        place = wished(cause, row, batch)
        if place is None or (row is not None and row.place == place):
            return Known(row, batch=batch)
        await lock_name(self._database, connection, place.public_id)
        rival = await _row(connection, ASSETS.c.public_id == place.public_id, _is_not(own))
        return Known(row, rival, await _is_buried(connection, place), batch)

    async def _write(self, connection: AsyncConnection, before: Row | None, row: Row) -> None:
        values = columns(row, self._clock())
        if before is None:
            await connection.execute(insert(ASSETS).values(values))
        else:
            await connection.execute(update(ASSETS).where(*_is(row.key)).values(values))

    async def _renew(self, lease: str) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            with suppress(
                DeliveryError
            ):  # the next renewal comes in time, or the lease is lost and found out
                async with self._database.begin() as connection:
                    later = update(ASSETS).where(ASSETS.c.lease == lease)
                    await connection.execute(later.values(lease_until=self._clock() + self._lease))

    async def _give_back(self, lease: str) -> None:
        with suppress(DeliveryError):  # then it runs out by itself
            async with self._database.begin() as connection:
                free = update(ASSETS).where(ASSETS.c.lease == lease)
                await connection.execute(free.values(lease=None, lease_until=0.0))


async def _row(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> Row | None:
    found = await connection.execute(select(ASSETS).where(*conditions).with_for_update())
    line = found.mappings().first()
    return row_of(line) if line else None


async def _batch(connection: AsyncConnection, batch_id: str) -> IndicesReserved | None:
    kept = await connection.scalar(select(BATCHES.c.reserved).where(BATCHES.c.batch_id == batch_id))
    return IndicesReserved.decode(kept.encode()) if kept else None


async def _is_buried(connection: AsyncConnection, place: Place) -> bool:
    grave = select(GRAVES.c.public_id).where(GRAVES.c.public_id == place.public_id)
    return await connection.scalar(grave) is not None


def _is(key: Key) -> tuple[ColumnElement[bool], ...]:
    return (ASSETS.c.batch_id == key[0], ASSETS.c.ordinal == key[1])


def _is_not(key: Key) -> ColumnElement[bool]:
    return or_(ASSETS.c.batch_id != key[0], ASSETS.c.ordinal != key[1])


def _tell(row: Row) -> None:
    if row.state is State.TAKEN:
        found = row.found.public_id if row.found else row.place.public_id
        log.warning("conflict: another image lies at this number", found=found, index=row.place.index)
    end = "placeholder" if row.state is State.STORED and row.placeholder else row.state.value
    ENDED.labels("failed" if row.state is State.CLAIMED else end).inc()
