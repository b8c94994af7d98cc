"""The names that backends gave to jobs, in the job book: without them a restart would send the jobs again."""

from dataclasses import dataclass

from sqlalchemy import update

from chassis.database import Database
from services.renderer.adapters.rows import among
from services.renderer.adapters.tables import RUNNING, jobs
from services.renderer.domain.jobs import Job


@dataclass(frozen=True)
class SqlReceipts:
    """`owner` is this process among its replicas."""

    database: Database
    owner: str

    async def note(self, job: Job, receipt: str) -> None:
        ours = RUNNING, jobs.c.lease_owner == self.owner, jobs.c.remote_id == job.remote_id
        async with self.database.begin() as connection:
            await connection.execute(update(jobs).where(among([job.key]), *ours).values(receipt=receipt))
