"""The asset ledger in a database: deliveries share transactions, leases are renewed while work goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress

import structlog
from prometheus_client import Counter
from sqlalchemy import bindparam, update
from sqlalchemy.exc import IntegrityError

from chassis.database import Database
from chassis.gathering import Gathering
from messaging.ending import ended
from messaging.errors import DeliveryError, Later
from services.uploader.adapters.deciding import Answer, Batches, Key, Wish, decide_all
from services.uploader.adapters.keeping import Kept, keep_all, rows_of
from services.uploader.adapters.tables import ASSETS
from services.uploader.domain.rows import Known, Row, State
from services.uploader.domain.steps import Say, Step, Store
from services.uploader.ports import C

log = structlog.get_logger("uploader")

#: Deliveries that share a transaction at most.
MOST_AT_ONCE = 64

ENDED = Counter("darkroom_uploads", "Ends of attempts to store an image", ["end"])

_LEASED = update(ASSETS).where(ASSETS.c.lease == bindparam("held"))


class SqlLedger:
    """Implements `Ledger`. At most `at_once` claims of this process are worked on; others wait their turn.
    A claim outlives its process by `lease` seconds; it is renewed three times as often. To be closed."""

    def __init__(self, database: Database, clock: Callable[[], float], at_once: int, lease: float) -> None:
        self._database = database
        self._clock = clock
        self._turns = asyncio.Semaphore(at_once)
        self._lease = lease
        self._batches = Batches()
        self._deciding = Gathering(self._decide_all, MOST_AT_ONCE)
        self._keeping = Gathering(self._keep_all, MOST_AT_ONCE)
        self._finding = Gathering(self._find_all, MOST_AT_ONCE)
        #: Leases that this process has to renew or to give back.
        self.held: set[str] = set()

    async def aclose(self) -> None:
        """Ends transactions under way; nobody may wait for one any more."""
        for gathering in (self._deciding, self._keeping, self._finding):
            await gathering.aclose()

    async def decide(self, cause: C, rule: Callable[[Known, C, float], Step]) -> Step:
        answer = await self._deciding(Wish(cause, rule))
        if isinstance(answer, DeliveryError):
            raise answer
        if isinstance(answer, Say) and answer.row is not None:
            _tell(answer.row)
        return answer

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
            await ended([renewing])
            if lease in self.held:
                self.held.discard(lease)
                await self._give_back(lease)

    async def keep(self, held: Store, row: Row) -> None:
        lease = held.row.lease
        assert lease is not None, "a claim comes with its lease"
        if not await self._keeping(Kept(row, lease)):
            raise Later("the lease was lost while the image was stored", delay=0)
        if row.lease is None:
            self.held.discard(lease)
            _tell(row)

    async def find(self, batch_id: str, ordinal: int) -> Row | None:
        return await self._finding((batch_id, ordinal))

    async def known(self, batch_id: str, ordinal: int) -> Known:
        async with self._database.read() as connection:
            batches = await self._batches.of(connection, {batch_id})
        return Known(await self.find(batch_id, ordinal), batch=batches.get(batch_id))

    async def rows(self, keys: Collection[Key]) -> dict[Key, Row]:
        """What is known of these images, without those that are not known at all."""
        async with self._database.read() as connection:
            return await rows_of(connection, keys)

    async def _decide_all(self, wishes: Sequence[Wish]) -> list[Answer]:
        # Several deliveries about one image are decided one after the other: each sees what the last one did.
        answers: dict[int, Answer] = {}
        while len(answers) < len(wishes):
            first: dict[Key, int] = {}
            for place, wish in enumerate(wishes):
                if place not in answers:
                    first.setdefault(wish.key, place)
            places = list(first.values())
            decided = await self._decide([wishes[place] for place in places])
            answers |= zip(places, decided, strict=True)
        return [answers[place] for place in range(len(wishes))]

    async def _decide(self, wishes: Sequence[Wish]) -> list[Answer]:
        try:
            return await decide_all(self._database, wishes, self._batches, self._clock, self._lease)
        except IntegrityError:
            if len(wishes) == 1:
                return [Later("somebody else has just claimed this image or its name", delay=0)]
        # Whoever it concerns must not hold up the others.
        return [answer for wish in wishes for answer in await self._decide([wish])]

    async def _keep_all(self, rows: Sequence[Kept]) -> list[bool]:
        return await keep_all(self._database, rows, self._clock(), self._lease)

    async def _find_all(self, keys: Sequence[Key]) -> list[Row | None]:
        found = await self.rows(set(keys))
        return [found.get(key) for key in keys]

    async def _renew(self, lease: str) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            # The next renewal comes in time, or the lease is lost and found out.
            with suppress(DeliveryError):
                async with self._database.begin() as connection:
                    until = self._clock() + self._lease
                    await connection.execute(_LEASED.values(lease_until=until), {"held": lease})

    async def _give_back(self, lease: str) -> None:
        with suppress(DeliveryError):  # then it runs out by itself
            async with self._database.begin() as connection:
                await connection.execute(_LEASED.values(lease=None, lease_until=0.0), {"held": lease})


def _tell(row: Row) -> None:
    if row.state is State.TAKEN:
        found = row.found.public_id if row.found else row.place.public_id
        log.warning("conflict: another image lies at this number", found=found, index=row.place.index)
    end = "placeholder" if row.state is State.STORED and row.placeholder else row.state.value
    ENDED.labels("failed" if row.state is State.CLAIMED else end).inc()
