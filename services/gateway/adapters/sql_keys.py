"""Idempotency keys in SQL, so that every replica knows them, and a restart forgets none."""

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, RowMapping, delete, select, tuple_, update

from chassis.database import Database
from services.gateway.adapters.tables import KEYS
from services.gateway.domain.idempotency import LEASE, Answer, Busy, Kept, Proceed, Verdict, verdict
from services.gateway.ports import KeyName

#: Keys that are forgotten in one statement.
GROUP = 1000

_NAME = tuple_(KEYS.c.username, KEYS.c.call, KEYS.c.key)


class SqlKeys:
    """Keeps the promise of `Keys`."""

    def __init__(
        self, database: Database, keep_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._keep = keep_seconds
        self._clock = clock

    async def claim(self, name: KeyName, fingerprint: str) -> Verdict:
        now, thing = self._clock(), uuid4().hex
        fresh = {
            "fingerprint": fingerprint,
            "thing": thing,
            "created_at": now,
            "lease_until": now + LEASE,
        }
        async with self._database.begin() as connection:
            first = self._database.insert(KEYS).values(**name._asdict(), **fresh).on_conflict_do_nothing()
            if (await connection.execute(first)).rowcount:
                return Proceed(thing)
            query = select(KEYS).where(_named(name)).with_for_update()
            row = (await connection.execute(query)).mappings().one_or_none()
            if row is None:
                # It was released this very moment.
                return Busy(1)
            said = verdict(_kept(row), fingerprint, thing, now, self._keep)
            if isinstance(said, Proceed):
                taken: dict[str, Any] = {"lease_until": now + LEASE}
                if not said.resumed:
                    taken = {**fresh, "status": None, "headers": None, "body": None}
                await connection.execute(update(KEYS).where(_named(name)).values(**taken))
            return said

    async def extend(self, name: KeyName) -> None:
        await self._write(name, lease_until=self._clock() + LEASE)

    async def let_go(self, name: KeyName) -> None:
        await self._write(name, lease_until=self._clock())

    async def answered(self, name: KeyName, answer: Answer) -> None:
        headers = json.dumps(dict(answer.headers))
        await self._write(name, status=answer.status, headers=headers, body=answer.body)

    async def release(self, name: KeyName) -> None:
        async with self._database.begin() as connection:
            await connection.execute(delete(KEYS).where(_named(name), KEYS.c.status.is_(None)))

    async def prune(self) -> int:
        """Forgets what is older than it has to be kept; how many."""
        old = KEYS.c.created_at <= self._clock() - self._keep
        oldest = (
            select(KEYS.c.username, KEYS.c.call, KEYS.c.key)
            .where(old)
            .order_by(KEYS.c.created_at)
            .limit(GROUP)
        )
        async with self._database.begin() as connection:
            return (await connection.execute(delete(KEYS).where(_NAME.in_(oldest)))).rowcount

    async def _write(self, name: KeyName, **values: Any) -> None:
        async with self._database.begin() as connection:
            await connection.execute(update(KEYS).where(_named(name)).values(**values))


def _named(name: KeyName) -> ColumnElement[bool]:
    return (KEYS.c.username == name.username) & (KEYS.c.call == name.call) & (KEYS.c.key == name.key)


def _kept(row: RowMapping) -> Kept:
    answer = None
    if row["status"] is not None:
        answer = Answer(row["status"], json.loads(row["headers"]), row["body"])
    return Kept(row["fingerprint"], row["thing"], row["created_at"], row["lease_until"], answer)
