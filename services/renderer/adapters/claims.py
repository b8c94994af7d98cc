"""The job book as the loop sees it: rows are claimed in one short transaction, one claim at a time."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from uuid import uuid4

from sqlalchemy import case, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from services.renderer.adapters.memory import Memory
from services.renderer.adapters.queues import Lanes, Wishes, heads_of, queues
from services.renderer.adapters.rows import (
    KEY,
    Row,
    Values,
    among,
    job_of,
    key_of,
    key_values,
    of_key,
)
from services.renderer.adapters.strays import leave_behind
from services.renderer.adapters.tables import READY, RESTING, RUNNING, WAITING, jobs
from services.renderer.domain.dispatch import (
    Choice,
    Head,
    Offer,
    dispatch,
    fairest,
    free_slots,
    holds_back,
    open_to,
    places,
)
from services.renderer.domain.equipment import Wish
from services.renderer.domain.jobs import Job, Key
from services.renderer.ports import Clock

#: Images claimed in one transaction at most.
MOST = 64
#: Images looked at, about, where one may be better off waiting for a backend than at a free one.
AHEAD = 256
#: Waiting images that are told their place, about.
TOLD = 100
#: Leases after which a row is given up whose backend no living replica knows.
ABANDONED = 4

# MIN is the first entry of an index; EXISTS may well be looked for in the whole table.
_LOOK = select(
    select(func.min(jobs.c.lane)).where(READY).scalar_subquery(),
    select(func.min(jobs.c.not_before)).where(RESTING).scalar_subquery(),
    select(func.min(jobs.c.lease_until)).where(RUNNING).scalar_subquery(),
)
_TURN = text("SELECT pg_advisory_xact_lock(hashtext('renderer claims'))")


class SqlClaims:
    """`lease` in seconds; `owner` is this process among its replicas; `takers` says which backends may get
    the images of a wish now, None for any; `fond` which do them better than others."""

    def __init__(
        self,
        database: Database,
        owner: str,
        lease: float,
        clock: Clock,
        takers: Callable[[Wish], Collection[str] | None],
        fond: Callable[[Wish], Collection[str]],
        memory: Memory,
    ) -> None:
        self.database = database
        self.owner = owner
        self.lease = lease
        self.clock = clock
        self._takers = takers
        self._fond = fond
        self._lanes = Lanes()
        self._wishes = Wishes()
        self._memory = memory
        self.quiet = False

    async def claim(self, offers: Sequence[Offer], known: Collection[str]) -> Sequence[Job]:
        now = self.clock()
        worth, rested = await self._worth_a_look(now)
        if not worth:
            return []
        async with self.database.begin() as connection:
            if self.database.is_postgresql:
                await connection.execute(_TURN)
            if rested:
                await connection.execute(
                    update(jobs).where(RESTING, jobs.c.not_before <= now).values(not_before=0.0)
                )
            running = await self._running(connection)
            expired = [row for row in running if row.lease_until <= now]
            taken = [key_of(row) for row in expired if row.backend in known]
            await self._give_up(connection, [row for row in expired if row.backend not in known], now)
            await self._take_over(connection, taken, now)
            choices = await self._choose(connection, running, offers)
            await self._write(connection, choices, now)
            rows = await self._held(connection, [*taken, *(choice.head.key for choice in choices)])
        return await self._jobs(
            rows, fresh={choice.head.key for choice in choices if choice.known_job is None}
        )

    async def extend(self, keys: Collection[Key]) -> set[Key]:
        if not keys:
            return set()
        statement = (
            update(jobs)
            .where(among(keys), RUNNING, jobs.c.lease_owner == self.owner)
            .values(lease_until=self.clock() + self.lease)
            .returning(*KEY)
        )
        async with self.database.alone() as connection:
            return {key_of(row) for row in await connection.execute(statement)}

    async def release(self, keys: Collection[Key]) -> None:
        if keys:
            ours = among(keys), RUNNING, jobs.c.lease_owner == self.owner
            async with self.database.alone() as connection:
                await connection.execute(update(jobs).where(*ours).values(lease_until=0.0))

    async def cancelled(self) -> set[Key]:
        statement = select(*KEY).where(RUNNING, jobs.c.cancel, jobs.c.lease_owner == self.owner)
        async with self.database.read() as connection:
            return {key_of(row) for row in await connection.execute(statement)}

    async def parts(self) -> dict[str, float]:
        """Which part of the images that each backend has is held by this process."""
        ours = func.sum(case((jobs.c.lease_owner == self.owner, 1.0), else_=0.0))
        statement = select(jobs.c.backend, ours / func.count()).where(RUNNING).group_by(jobs.c.backend)
        async with self.database.read() as connection:
            return {name: float(part) for name, part in await connection.execute(statement)}

    async def backlog(self) -> int:
        """Images that wait, whoever will render them."""
        async with self.database.read() as connection:
            count = select(func.count()).select_from(jobs).where(WAITING)
            return int((await connection.execute(count)).scalar_one())

    async def waiting(self) -> dict[Head, int]:
        async with self.database.read() as connection:
            if not (found := await queues(connection)):
                return {}  # as most of the time
            flying = Counter(row.username for row in await self._running(connection))
            lanes = fairest(found, flying, TOLD)
            heads = await heads_of(connection, lanes, TOLD // max(1, len(lanes)) + 1)
        ahead = places(heads, flying)
        return {head: ahead[head.key] for head in heads}

    async def _worth_a_look(self, now: float) -> tuple[bool, bool]:
        """Whether a claim could find anything, and whether some have had their rest, asked without a lock:
        most seconds of most days there is nothing."""
        async with self.database.read() as connection:
            ready, rested, expires = (await connection.execute(_LOOK)).one()
        self.quiet = ready is rested is expires is None
        over = rested is not None and rested <= now
        return ready is not None or over or (expires is not None and expires <= now), over

    async def _running(self, connection: AsyncConnection) -> Sequence[Row]:
        columns = (*KEY, jobs.c.username, jobs.c.backend, jobs.c.lease_until)
        return (await connection.execute(select(*columns).where(RUNNING))).all()

    async def _take_over(self, connection: AsyncConnection, keys: Sequence[Key], now: float) -> None:
        """Same backend, same remote id: the remote job may well be running."""
        if keys:
            lease = {"lease_owner": self.owner, "lease_until": now + self.lease}
            await connection.execute(update(jobs).where(among(keys), RUNNING).values(lease))

    async def _give_up(self, connection: AsyncConnection, rows: Sequence[Row], now: float) -> None:
        """A backend that was taken out of every replica's fleet will never answer for its jobs."""
        keys = [key_of(row) for row in rows if row.lease_until <= now - ABANDONED * self.lease]
        if keys:
            values = {"state": "waiting", "lease_owner": None, "lease_until": 0.0}
            await connection.execute(update(jobs).where(among(keys), RUNNING).values(values))

    async def _choose(
        self, connection: AsyncConnection, running: Sequence[Row], offers: Sequence[Offer]
    ) -> list[Choice]:
        busy = Counter(row.backend for row in running)
        count = min(MOST, free_slots(offers, busy))
        if not count:
            return []
        flying = Counter(row.username for row in running)
        waiting = await self._lanes.waiting(connection)
        wishes = await self._wishes.of(connection, waiting)
        takers = {wish.key: names for wish in wishes if (names := self._takers(wish)) is not None}
        fond = {wish.key: names for wish in wishes if (names := self._fond(wish))}
        more = AHEAD if holds_back(offers, busy, fond) else count
        lanes = fairest(open_to(waiting, offers, busy, takers), flying, more)
        each = count if more == count else more // max(1, len(lanes)) + 1
        heads = await heads_of(connection, lanes, each)
        return dispatch(heads, flying, offers, busy, takers, fond)[:MOST]

    async def _write(self, connection: AsyncConnection, choices: Sequence[Choice], now: float) -> None:
        """The remote id is in the book before anything is sent under it."""
        left = [choice.head.key for choice in choices if choice.leaves_job]
        if left:
            await connection.execute(leave_behind(left, now))
        if choices:
            claimed = [self._claimed(choice, now) for choice in choices]
            await connection.execute(update(jobs).where(*of_key(), WAITING), claimed)

    def _claimed(self, choice: Choice, now: float) -> Values:
        return key_values(choice.head.key) | {
            "state": "running",
            "backend": choice.backend,
            "remote_id": choice.known_job or str(uuid4()),
            "receipt": choice.known_receipt,
            "submitted_at": now,
            "lease_owner": self.owner,
            "lease_until": now + self.lease,
        }

    async def _held(self, connection: AsyncConnection, keys: Sequence[Key]) -> Sequence[Row]:
        """Without those that a message ended in between."""
        if not keys:
            return []
        ours = among(keys), RUNNING, jobs.c.lease_owner == self.owner
        order = (jobs.c.created_at, *KEY)
        return (await connection.execute(select(jobs).where(*ours).order_by(*order))).all()

    async def _jobs(self, rows: Sequence[Row], fresh: Collection[Key]) -> list[Job]:
        found = await self._memory.batches(self.database, {row.batch_id for row in rows})
        return [job_of(row, found[row.batch_id], key_of(row) in fresh) for row in rows]
