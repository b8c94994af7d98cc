"""The event log as its readers see it, in SQL."""

import json
from collections.abc import Sequence

from sqlalchemy import func, select

from chassis.database import Database
from services.gateway.adapters.tables import CHANGES
from services.gateway.domain.changes import Change


class SqlChanges:
    """Keeps the promise of `Changes`, and tells which batches changed at all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self, batch_id: str) -> int:
        query = select(func.max(CHANGES.c.id)).where(CHANGES.c.batch_id == batch_id)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one() or 0

    async def knows(self, batch_id: str, change: int) -> bool:
        query = select(CHANGES.c.id).where(CHANGES.c.id == change, CHANGES.c.batch_id == batch_id)
        async with self._database.read() as connection:
            return (await connection.execute(query)).first() is not None

    async def after(self, batch_id: str, change: int, limit: int) -> Sequence[Change]:
        later = (CHANGES.c.batch_id == batch_id) & (CHANGES.c.id > change)
        query = select(CHANGES.c.id, CHANGES.c.kind, CHANGES.c.body).where(later)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(CHANGES.c.id).limit(limit))).all()
        return [
            Change(row.id, json.loads(row.body)["ordinal"] if row.kind == "image" else None) for row in rows
        ]

    async def newest(self) -> int:
        """The last change of any batch, 0 if there is none."""
        async with self._database.read() as connection:
            return (await connection.execute(select(func.max(CHANGES.c.id)))).scalar_one() or 0

    async def grown(self, change: int) -> tuple[int, Sequence[str]]:
        """The last change after this one, or this one; and the batches that changed after it."""
        last = func.max(CHANGES.c.id).label("last")
        query = select(CHANGES.c.batch_id, last).where(CHANGES.c.id > change).group_by(CHANGES.c.batch_id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return max((row.last for row in rows), default=change), [row.batch_id for row in rows]
