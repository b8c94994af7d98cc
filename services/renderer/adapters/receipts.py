"""The names that backends gave to jobs, in the job book: without them a restart would send the jobs again."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import bindparam, update

from chassis.database import Database
from chassis.gathering import Gathering
from services.renderer.adapters.rows import Values, key_values, of_key
from services.renderer.adapters.tables import RUNNING, jobs
from services.renderer.domain.jobs import Job

#: Names written with one commit.
TOGETHER = 200


class SqlReceipts:
    """`owner` is this process among its replicas. Jobs that are sent at the same time share a commit."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._noting: Gathering[Values, None] = Gathering(self._note_all, TOGETHER)
        ours = RUNNING, jobs.c.lease_owner == owner, jobs.c.remote_id == bindparam("of_remote_id")
        self._statement = update(jobs).where(*of_key(), *ours).values(receipt=bindparam("told"))

    async def note(self, job: Job, receipt: str) -> None:
        await self._noting({**key_values(job.key), "of_remote_id": job.remote_id, "told": receipt})

    async def aclose(self) -> None:
        """To be called when nobody notes any more."""
        await self._noting.aclose()

    async def _note_all(self, notes: Sequence[Values]) -> Sequence[None]:
        async with self._database.begin() as connection:
            await connection.execute(self._statement, list(notes))
        return [None] * len(notes)


@asynccontextmanager
async def open_receipts(database: Database, owner: str) -> AsyncIterator[SqlReceipts]:
    receipts = SqlReceipts(database, owner)
    try:
        yield receipts
    finally:
        await receipts.aclose()
