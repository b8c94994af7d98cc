"""The job book as the loop sees it: rows are claimed in one short transaction, one claim at a time."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from uuid import uuid4

from sqlalchemy import case, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from services.renderer.adapters.memory import Memory
from services.renderer.adapters.queues import Lanes, Wishes, heads_of, queues
from services.renderer.adapters.rewriting import Rewriting
from services.renderer.adapters.rows import (
    JOB,
    KEY,
    Row,
    Values,
    among,
    job_of,
    key_of,
)
from services.renderer.adapters.standing import Standing, standing
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
from services.renderer.domain.lines import foremost, lines
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
_CLAIMED = ("state", "backend", "remote_id", "receipt", "submitted_at", "lease_owner", "lease_until")
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
        self._rewrite = Rewriting(_CLAIMED, still=WAITING, told=JOB)
        self._lanes = Lanes()
        self._wishes = Wishes()
        self._memory = memory
        self.quiet = False

    async def claim(self, offers: Sequence[Offer], known: Collection[str]) -> Sequence[Job]:
        now = self.clock()
        if not await self._worth_a_look(now):
            return []
        async with self.database.begin() as connection:
            if self.database.is_postgresql:
                await connection.execute(_TURN)
            stands = await standing(connection, now)
            if await self._set_free(connection, stands, known, now):
                stands = await standing(connection, now)
            rows = await self._take_over(connection, stands, known, now)
            choices = await self._choose(connection, stands, offers)
            rows = [*rows, *await self._write(connection, choices, now)]
        fresh = {choice.head.key for choice in choices if choice.known_job is None}
        return await self._jobs(sorted(rows, key=_begun), fresh)

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
            each = (
                select(jobs.c.username, func.count().label("images")).where(RUNNING).group_by(jobs.c.username)
            )
            flying = Counter({row.username: row.images for row in await connection.execute(each)})
            lanes = fairest(found, flying, TOLD)
            heads = await heads_of(connection, lanes, TOLD // max(1, len(lanes)) + 1)
        ahead = places(heads, flying)
        return {head: ahead[head.key] for head in heads}

    async def _worth_a_look(self, now: float) -> bool:
        """Whether a claim could find anything, asked without a lock: most seconds of most days there is
        nothing. Not asked where a batch has just come."""
        if self._memory.any_new():
            self.quiet = False
            return True
        async with self.database.read() as connection:
            ready, rested, expires = (await connection.execute(_LOOK)).one()
        self.quiet = ready is rested is expires is None
        due = (each for each in (rested, expires) if each is not None)
        return ready is not None or any(each <= now for each in due)

    async def _set_free(
        self, connection: AsyncConnection, stands: Standing, known: Collection[str], now: float
    ) -> bool:
        """Whether more may be claimed than before: what has had its rest, and rows of a backend that was
        taken out of every replica's fleet, which will never answer for its jobs."""
        if stands.rested:
            rested = update(jobs).where(RESTING, jobs.c.not_before <= now)
            await connection.execute(rested.values(not_before=0.0))
        long = [row for row in stands.expired if row.lease_until <= now - ABANDONED * self.lease]
        keys = [key_of(row) for row in long if row.backend not in known]
        if keys:
            values = {"state": "waiting", "lease_owner": None, "lease_until": 0.0}
            await connection.execute(update(jobs).where(among(keys), RUNNING).values(values))
        return stands.rested or bool(keys)

    async def _take_over(
        self, connection: AsyncConnection, stands: Standing, known: Collection[str], now: float
    ) -> Sequence[Row]:
        """Same backend, same remote id: the remote job may well be running."""
        keys = [key_of(row) for row in stands.expired if row.backend in known]
        if not keys:
            return []
        lease = {"lease_owner": self.owner, "lease_until": now + self.lease}
        taken = update(jobs).where(among(keys), RUNNING).values(lease).returning(*JOB)
        return (await connection.execute(taken)).all()

    async def _choose(
        self, connection: AsyncConnection, stands: Standing, offers: Sequence[Offer]
    ) -> list[Choice]:
        busy, flying = stands.busy, stands.flying
        count = min(MOST, free_slots(offers, busy))
        if not count:
            return []
        all_heads = stands.heads
        waiting = await self._lanes.waiting(connection) if all_heads is None else lines(all_heads)
        wishes = await self._wishes.of(connection, waiting)
        takers = {wish.key: names for wish in wishes if (names := self._takers(wish)) is not None}
        fond = {wish.key: names for wish in wishes if (names := self._fond(wish))}
        more = AHEAD if holds_back(offers, busy, fond) else count
        lanes = fairest(open_to(waiting, offers, busy, takers), flying, more)
        each = count if more == count else more // max(1, len(lanes)) + 1
        if all_heads is None:
            heads = await heads_of(connection, lanes, each)
        else:
            heads = foremost(all_heads, lanes, each)
        return dispatch(heads, flying, offers, busy, takers, fond)[:MOST]

    async def _write(
        self, connection: AsyncConnection, choices: Sequence[Choice], now: float
    ) -> Sequence[Row]:
        """The remote id is in the book before anything is sent under it. Without those that a message ended
        in between."""
        left = [choice.head.key for choice in choices if choice.leaves_job]
        if left:
            await connection.execute(leave_behind(left, now))
        return await self._rewrite(connection, {each.head.key: self._claimed(each, now) for each in choices})

    def _claimed(self, choice: Choice, now: float) -> Values:
        return {
            "state": "running",
            "backend": choice.backend,
            "remote_id": choice.known_job or str(uuid4()),
            "receipt": choice.known_receipt,
            "submitted_at": now,
            "lease_owner": self.owner,
            "lease_until": now + self.lease,
        }

    async def _jobs(self, rows: Sequence[Row], fresh: Collection[Key]) -> list[Job]:
        found = await self._memory.batches(self.database, {row.batch_id for row in rows})
        return [job_of(row, found[row.batch_id], key_of(row) in fresh) for row in rows]


def _begun(row: Row) -> tuple[float, Key]:
    return row.created_at, key_of(row)
