"""The asset ledger in a database: deliveries share transactions, and so do renewals of leases."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import structlog
from prometheus_client import Counter
from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from chassis.database import Database
from chassis.gathering import Gathering
from contracts.events import ImageReady
from messaging.ending import ended
from messaging.errors import DeliveryError, Later
from services.uploader.adapters.deciding import Answer, Change, Wish, change_all
from services.uploader.adapters.keeping import Kept
from services.uploader.adapters.looking import Key
from services.uploader.adapters.recent_batches import RecentBatches
from services.uploader.adapters.rows import row_of
from services.uploader.adapters.tables import ASSETS
from services.uploader.domain.endings import are_spent
from services.uploader.domain.rows import Known, Row, State
from services.uploader.domain.steps import Say, Step, Store
from services.uploader.ports import C

log = structlog.get_logger("uploader")

#: Deliveries that share a transaction at most.
MOST_AT_ONCE = 64
#: Images whose end is remembered, so that it need not be looked up when their bytes are to go.
REMEMBERED = 1024

ENDED = Counter("darkroom_uploads", "Ends of attempts to store an image", ["end"])

_ROWS = select(ASSETS).where(
    tuple_(ASSETS.c.batch_id, ASSETS.c.ordinal).in_(bindparam("keys", expanding=True))
)
_LEASED = update(ASSETS).where(
    ASSETS.c.batch_id == bindparam("of_batch"),
    ASSETS.c.ordinal == bindparam("of_ordinal"),
    ASSETS.c.lease == bindparam("held"),
)


class SqlLedger:
    """Implements `Ledger`. At most `at_once` claims of this process are worked on; others wait their turn.
    A claim outlives its process by `lease` seconds; it is renewed three times as often. `recent` may be
    shared with whoever keeps batches. To be closed."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        at_once: int,
        lease: float,
        recent: RecentBatches | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._turns = asyncio.Semaphore(at_once)
        self._lease = lease
        self._batches = recent or RecentBatches()
        self._changing: Gathering[Change, Answer] = Gathering(self._change_all, MOST_AT_ONCE)
        self._finding = Gathering(self._find_all, MOST_AT_ONCE)
        self._renewing: asyncio.Task[None] | None = None
        #: Leases that this process has to renew or to give back, and their images.
        self.held: dict[str, Key] = {}
        #: The md5 of images that were stored here of late.
        self._stored: dict[Key, str | None] = {}

    async def aclose(self) -> None:
        """Ends transactions under way; nobody may wait for one any more."""
        await self._changing.aclose()
        await self._finding.aclose()
        if self._renewing is not None:
            await ended([self._renewing])

    async def decide(self, cause: C, rule: Callable[[Known, C, float], Step]) -> Step:
        answer = await self._changing(Wish(cause, rule))
        assert not isinstance(answer, bool)
        if isinstance(answer, DeliveryError):
            raise answer
        if isinstance(answer, Say) and answer.row is not None:
            _tell(answer.row)
        return answer

    @asynccontextmanager
    async def holding(self, claim: Store) -> AsyncIterator[None]:
        lease = claim.row.lease
        assert lease is not None, "a claim comes with its lease"
        self.held[lease] = claim.row.key
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew())
        try:
            async with self._turns:
                yield
        except asyncio.CancelledError:
            self.held.pop(lease, None)
            raise
        finally:
            if (key := self.held.pop(lease, None)) is not None:
                await self._give_back(lease, key)

    async def keep(self, held: Store, row: Row) -> None:
        lease = held.row.lease
        assert lease is not None, "a claim comes with its lease"
        written = await self._changing(Kept(row, lease))
        if isinstance(written, DeliveryError):
            raise written
        if not written:
            raise Later("the lease was lost while the image was stored", delay=0)
        if row.lease is None:
            self.held.pop(lease, None)
            self._remember(row)
            _tell(row)

    async def find(self, batch_id: str, ordinal: int) -> Row | None:
        return await self._finding((batch_id, ordinal))

    async def is_spent(self, ready: ImageReady) -> bool:
        key = (ready.batch_id, ready.ordinal)
        # An image that is stored stays stored, or is deleted: its bytes are not needed again.
        return self._stored.get(key) == ready.md5 or are_spent(await self.find(*key), ready)

    async def known(self, batch_id: str, ordinal: int) -> Known:
        async with self._database.read() as connection:
            batches = await self._batches.of(connection, {batch_id})
        return Known(await self.find(batch_id, ordinal), batch=batches.get(batch_id))

    async def rows(self, keys: Collection[Key]) -> dict[Key, Row]:
        """What is known of these images, without those that are not known at all."""
        async with self._database.read() as connection:
            lines = (await connection.execute(_ROWS, {"keys": list(keys)})).mappings()
            return {row.key: row for row in map(row_of, lines)}

    async def _change_all(self, changes: Sequence[Change]) -> list[Answer]:
        # Several deliveries about one image are decided one after the other: each sees what the last one did.
        answers: dict[int, Answer] = {}
        while len(answers) < len(changes):
            together: dict[tuple[type[Change], Key], int] = {}
            for place, change in enumerate(changes):
                if place not in answers:
                    together.setdefault((type(change), change.key), place)
            told = await self._change([changes[place] for place in together.values()])
            answers |= zip(together.values(), told, strict=True)
        return [answers[place] for place in range(len(changes))]

    async def _change(self, changes: Sequence[Change]) -> list[Answer]:
        try:
            return await change_all(self._database, changes, self._batches, self._clock, self._lease)
        except IntegrityError:
            if len(changes) == 1:
                return [Later("somebody else has just claimed this image or its name", delay=0)]
        # Whoever it concerns must not hold up the others.
        return [answer for change in changes for answer in await self._change([change])]

    async def _find_all(self, keys: Sequence[Key]) -> list[Row | None]:
        found = await self.rows(set(keys))
        return [found.get(key) for key in keys]

    def _remember(self, row: Row) -> None:
        if row.is_image:
            self._stored[row.key] = row.md5
        for oldest in list(self._stored)[:-REMEMBERED]:
            del self._stored[oldest]

    async def _renew(self) -> None:
        """Every lease that is held, until none is."""
        while True:
            await asyncio.sleep(self._lease / 3)
            if not self.held:
                return
            # The next renewal comes in time, or the lease is lost and found out.
            with suppress(DeliveryError):
                await self._leave(self.held, lease_until=self._clock() + self._lease)

    async def _give_back(self, lease: str, key: Key) -> None:
        with suppress(DeliveryError):  # then it runs out by itself
            await self._leave({lease: key}, lease=None, lease_until=0.0)

    async def _leave(self, leases: Mapping[str, Key], **values: float | None) -> None:
        """Writes these values to the images that still have these leases."""
        held = sorted((*key, lease) for lease, key in leases.items())
        async with self._database.begin() as connection:
            asked = [dict(zip(("of_batch", "of_ordinal", "held"), each, strict=True)) for each in held]
            await connection.execute(_LEASED.values(values), asked)


def _tell(row: Row) -> None:
    if row.state is State.TAKEN:
        found = row.found.public_id if row.found else row.place.public_id
        log.warning("conflict: another image lies at this number", found=found, index=row.place.index)
    end = "placeholder" if row.state is State.STORED and row.placeholder else row.state.value
    ENDED.labels("failed" if row.state is State.CLAIMED else end).inc()
