"""The names that backends gave to jobs, in the job book: without them a restart would send the jobs again."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from sqlalchemy import and_

from chassis.database import Database
from chassis.gathering import Gathering
from services.renderer.adapters.rewriting import Rewriting
from services.renderer.adapters.rows import Values
from services.renderer.adapters.tables import RUNNING, jobs
from services.renderer.domain.jobs import Job, Key

#: Names written with one commit.
TOGETHER = 200


class _Note(NamedTuple):
    key: Key
    values: Values


class SqlReceipts:
    """`owner` is this process among its replicas. Jobs that are sent at the same time share a commit."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._noting: Gathering[_Note, None] = Gathering(self._note_all, TOGETHER)
        ours = and_(RUNNING, jobs.c.lease_owner == owner)
        self._write = Rewriting(("receipt",), still=ours, same=("remote_id",))

    async def note(self, job: Job, receipt: str) -> None:
        await self._noting(_Note(job.key, {"remote_id": job.remote_id, "receipt": receipt}))

    async def aclose(self) -> None:
        """To be called when nobody notes any more."""
        await self._noting.aclose()

    async def _note_all(self, notes: Sequence[_Note]) -> Sequence[None]:
        async with self._database.alone() as connection:
            await self._write(connection, {note.key: note.values for note in notes})
        return [None] * len(notes)


@asynccontextmanager
async def open_receipts(database: Database, owner: str) -> AsyncIterator[SqlReceipts]:
    receipts = SqlReceipts(database, owner)
    try:
        yield receipts
    finally:
        await receipts.aclose()
