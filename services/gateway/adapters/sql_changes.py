"""The event log as its readers see it, in SQL."""

import json
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from sqlalchemy import delete, func, select

from chassis.database import Database
from services.gateway.adapters.tables import BATCHES, CHANGES
from services.gateway.domain.changes import Change

#: Changes that are dropped in one transaction: nobody waits long for SQLite's one lock.
PORTION = 1000

_OWNED = CHANGES.join(BATCHES, CHANGES.c.batch_id == BATCHES.c.batch_id)


class SqlChanges:
    """Keeps the promises of `Changes` and `Feed`, and tells which batches changed at all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self, batch_id: str) -> int:
        query = select(func.max(CHANGES.c.id)).where(CHANGES.c.batch_id == batch_id)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one() or 0

    async def knows(self, batch_id: str, change: int) -> bool:
        if change == 0:
            # Where a stream begins that finds nothing logged: before the first change, or after the last one
            # was pruned.
            return await self.latest(batch_id) == 0
        query = select(CHANGES.c.id).where(CHANGES.c.id == change, CHANGES.c.batch_id == batch_id)
        async with self._database.read() as connection:
            return (await connection.execute(query)).first() is not None

    async def after(self, batch_id: str, change: int, limit: int) -> Sequence[Change]:
        later = (CHANGES.c.batch_id == batch_id) & (CHANGES.c.id > change)
        query = select(CHANGES.c.id, CHANGES.c.kind, CHANGES.c.body).where(later)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(CHANGES.c.id).limit(limit))).all()
        return [_change(row) for row in rows]

    async def prune(self, before: float) -> int:
        """Drops changes older than a moment, in portions; how many. What is left is the log's whole end: who
        knows one change that is there misses nothing after it."""
        oldest, dropped = select(CHANGES.c.id, CHANGES.c.at).order_by(CHANGES.c.id).limit(PORTION), 0
        while True:
            async with self._database.begin() as connection:
                rows = (await connection.execute(oldest)).all()
                old = [row.id for row in takewhile(lambda row: row.at < before, rows)]
                if old:
                    await connection.execute(delete(CHANGES).where(CHANGES.c.id <= old[-1]))
            dropped += len(old)
            if len(old) < PORTION:
                return dropped

    async def latest_of(self, username: str) -> int:
        query = select(func.max(CHANGES.c.id)).select_from(_OWNED).where(BATCHES.c.username == username)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one() or 0

    async def knows_of(self, username: str, change: int) -> bool:
        ours = (CHANGES.c.id == change) & (BATCHES.c.username == username)
        async with self._database.read() as connection:
            return (
                await connection.execute(select(CHANGES.c.id).select_from(_OWNED).where(ours))
            ).first() is not None

    async def after_of(self, username: str, change: int, limit: int) -> Sequence[tuple[str, Change]]:
        later = (BATCHES.c.username == username) & (CHANGES.c.id > change)
        columns = (CHANGES.c.batch_id, CHANGES.c.id, CHANGES.c.kind, CHANGES.c.body)
        query = select(*columns).select_from(_OWNED).where(later).order_by(CHANGES.c.id).limit(limit)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [(row.batch_id, _change(row)) for row in rows]

    async def owners(self, batch_ids: Sequence[str]) -> Sequence[str]:
        """Users of these batches, as far as they are known."""
        known = BATCHES.c.batch_id.in_(batch_ids) & BATCHES.c.username.is_not(None)
        async with self._database.read() as connection:
            return (
                (await connection.execute(select(BATCHES.c.username).where(known).distinct())).scalars().all()
            )

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


def _change(row: Any) -> Change:
    return Change(row.id, json.loads(row.body)["ordinal"] if row.kind == "image" else None)
