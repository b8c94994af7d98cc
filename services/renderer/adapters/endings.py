"""The job book's last words on a row: committed once, then announced."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from sqlalchemy import select, update

from chassis.database import Database
from chassis.gathering import Gathering
from contracts.events import ImageReady
from messaging.tracing import traceparent
from services.renderer.adapters.rewriting import Rewriting
from services.renderer.adapters.rows import (
    KEY,
    Values,
    among,
    batch_of,
    end_waiting,
    ended_values,
    key_of,
    owed_of,
    waiting_ended,
)
from services.renderer.adapters.tables import RUNNING, UNANNOUNCED, WAITING, batches, jobs
from services.renderer.domain.jobs import Job, Key, failed
from services.renderer.domain.troubles import DEADLINE, Again
from services.renderer.ports import Clock, Ending, Owed

#: Rows taken in one sweep.
SWEPT = 200
#: Ends written with one commit.
TOGETHER = 100

_SPENT = ("queue_ms", "gpu_ms", "started_at")
_LAST_WORDS = ("state", "ending", "ended_at", "announced", "lease_owner", "lease_until", "traceparent")

_ANNOUNCED = Rewriting(("announced",), still=UNANNOUNCED)


class _End(NamedTuple):
    key: Key
    values: Values


class SqlEndings:
    """`owner` is this process among its replicas. Images that end at the same time share a commit: as long as
    an end is not written, the slot of its backend is taken."""

    def __init__(self, database: Database, owner: str, clock: Clock) -> None:
        self.database = database
        self.owner = owner
        self.clock = clock
        self._ending: Gathering[_End, bool] = Gathering(self._end_all, TOGETHER)
        self._write = Rewriting((*_LAST_WORDS, *_SPENT), still=jobs.c.ended_at.is_(None))

    async def end(self, job: Job, ending: Ending) -> bool:
        now = self.clock()
        values = ended_values(ending, now, announced=False) | _spent(ending, now)
        values["traceparent"] = traceparent()
        return await self._ending(_End(job.key, values))

    async def aclose(self) -> None:
        """To be called when nobody ends anything any more."""
        await self._ending.aclose()

    async def _end_all(self, ends: Sequence[_End]) -> Sequence[bool]:
        """Whether each is its row's first, also among these."""
        first = {end.key: place for place, end in reversed(list(enumerate(ends)))}
        async with self.database.alone() as connection:
            rows = await self._write(connection, {key: ends[place].values for key, place in first.items()})
        live = {key_of(row) for row in rows}
        return [end.key in live and first[end.key] == place for place, end in enumerate(ends)]

    async def put_back(self, job: Job, again: Again) -> None:
        ours = jobs.c.lease_owner == self.owner, jobs.c.remote_id == job.remote_id
        values = {
            "state": "waiting",
            "not_before": again.not_before,
            "tries": again.tries,
            "avoid": again.avoid,
            "remote_id": job.remote_id if again.perhaps_alive else None,
            "receipt": jobs.c.receipt if again.perhaps_alive else None,
            "lease_owner": None,
            "lease_until": 0.0,
        }
        async with self.database.alone() as connection:
            await connection.execute(update(jobs).where(among([job.key]), RUNNING, *ours).values(values))

    async def announced(self, messages: Sequence[Ending]) -> None:
        keys = [Key(message.batch_id, message.ordinal, message.round) for message in messages]
        if keys:
            async with self.database.alone() as connection:
                await _ANNOUNCED(connection, {key: {"announced": True} for key in keys})

    async def unannounced(self, older_than: float) -> Sequence[Owed]:
        columns = (*KEY, jobs.c.state, jobs.c.ending, jobs.c.traceparent)
        old = select(*columns).where(UNANNOUNCED, jobs.c.ended_at < older_than)
        async with self.database.read() as connection:
            rows = await connection.execute(old.order_by(jobs.c.ended_at).limit(SWEPT))
            return [owed_of(row) for row in rows]

    async def end_overdue(self, created_before: float, detail: str) -> int:
        old = select(*KEY).where(WAITING, jobs.c.created_at < created_before)
        async with self.database.read() as connection:
            keys = [key_of(row) for row in await connection.execute(old.limit(SWEPT))]
            wanted = select(batches).where(batches.c.batch_id.in_({key.batch_id for key in keys}))
            found = {row.batch_id: batch_of(row) for row in await connection.execute(wanted)} if keys else {}
        if not keys:
            return 0
        now = self.clock()
        endings = [failed(key, found[key.batch_id], DEADLINE, detail) for key in keys]
        async with self.database.begin() as connection:
            await connection.execute(end_waiting(), [waiting_ended(each, now, False) for each in endings])
        return len(keys)


@asynccontextmanager
async def open_endings(database: Database, owner: str, clock: Clock) -> AsyncIterator[SqlEndings]:
    endings = SqlEndings(database, owner, clock)
    try:
        yield endings
    finally:
        await endings.aclose()


def _spent(ending: Ending, now: float) -> Values:
    if not isinstance(ending, ImageReady):
        return dict.fromkeys(_SPENT)
    started = now - ending.gpu_ms / 1000
    return {"queue_ms": ending.queue_ms, "gpu_ms": ending.gpu_ms, "started_at": started}
