"""Jobs that were left at a backend which could not be reached: their images went on without them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Insert, and_, delete, insert, literal, select

from chassis.database import Database
from services.renderer.adapters.rows import KEY, Row, among, batch_of, key_of
from services.renderer.adapters.tables import batches, jobs, strays
from services.renderer.domain.jobs import Batch, Job, Key
from services.renderer.ports import Clock

#: Looked at in one round.
TOGETHER = 50


def leave_behind(keys: Collection[Key], now: float) -> Insert:
    """Remembers the remote jobs of these rows, which are about to get new ones."""
    columns = (jobs.c.remote_id, jobs.c.receipt, jobs.c.backend, *KEY, jobs.c.tries)
    known = select(strays.c.remote_id)
    fresh = jobs.c.remote_id.is_not(None) & jobs.c.remote_id.not_in(known)
    left = select(*columns, literal(now)).where(among(keys), fresh)
    return insert(strays).from_select([*(column.name for column in columns), "left_at"], left)


@dataclass(frozen=True)
class SqlStrays:
    database: Database
    clock: Clock

    async def leave(self, job: Job) -> None:
        values = {
            **job.key._asdict(),
            "remote_id": job.remote_id,
            "receipt": job.receipt,
            "backend": job.backend,
            "tries": job.tries,
            "left_at": self.clock(),
        }
        once = self.database.insert(strays).values(values).on_conflict_do_nothing()
        async with self.database.alone() as connection:
            await connection.execute(once)

    async def left_at(self, backends: Collection[str]) -> Sequence[Job]:
        if not backends:
            return []
        row_of_it = and_(*(strays.c[column.name] == column for column in KEY))
        known = select(strays, jobs.c.traceparent).select_from(strays.outerjoin(jobs, row_of_it))
        oldest = known.where(strays.c.backend.in_(backends)).order_by(strays.c.left_at)
        async with self.database.read() as connection:
            rows = (await connection.execute(oldest.limit(TOGETHER))).all()
            wanted = select(batches).where(batches.c.batch_id.in_({row.batch_id for row in rows}))
            found = {row.batch_id: batch_of(row) for row in await connection.execute(wanted)} if rows else {}
        return [_job(row, found[row.batch_id]) for row in rows if row.batch_id in found]

    async def forget(self, remote_id: str) -> bool:
        async with self.database.alone() as connection:
            gone = await connection.execute(delete(strays).where(strays.c.remote_id == remote_id))
            return gone.rowcount == 1

    async def forget_older(self, than: float) -> None:
        async with self.database.alone() as connection:
            await connection.execute(delete(strays).where(strays.c.left_at < than))


def _job(row: Row, batch: Batch) -> Job:
    return Job(
        key=key_of(row),
        batch=batch,
        created_at=row.left_at,
        tries=row.tries,
        backend=row.backend,
        remote_id=row.remote_id,
        submitted_at=row.left_at,
        fresh=False,
        receipt=row.receipt,
        traceparent=row.traceparent,
    )
