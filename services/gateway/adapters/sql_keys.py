"""Idempotency keys in SQL, so that every replica knows them, and a restart forgets none."""

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, RowMapping, bindparam, delete, select, tuple_, update
from sqlalchemy.exc import DBAPIError

from chassis.database import Database
from chassis.gathering import Gathering
from services.gateway.adapters.tables import KEYS
from services.gateway.domain.idempotency import LEASE, Answer, Busy, Kept, Proceed, Verdict, verdict
from services.gateway.ports import KeyName

#: Keys that are forgotten in one statement.
GROUP = 1000

#: Calls whose keys are written in one commit.
MOST_AT_ONCE = 50

Row = dict[str, Any]

_PARTS = ("username", "call", "key")
_ITS = [KEYS.c[part] == bindparam(f"its_{part}") for part in _PARTS]
_ANSWERED = update(KEYS).where(*_ITS)
_NAME = tuple_(KEYS.c.username, KEYS.c.call, KEYS.c.key)


class SqlKeys:
    """Keeps the promise of `Keys`."""

    def __init__(
        self, database: Database, keep_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._keep = keep_seconds
        self._clock = clock
        self._beginning: Gathering[Row, bool | DBAPIError] = Gathering(
            partial(_each, self._begun), MOST_AT_ONCE
        )
        self._answering: Gathering[Row, bool | DBAPIError] = Gathering(
            partial(_each, self._kept), MOST_AT_ONCE
        )

    async def aclose(self) -> None:
        """To be called when nobody calls under a key any more."""
        await self._beginning.aclose()
        await self._answering.aclose()

    async def claim(self, name: KeyName, fingerprint: str) -> Verdict:
        now, thing = self._clock(), uuid4().hex
        fresh = {
            "fingerprint": fingerprint,
            "thing": thing,
            "created_at": now,
            "lease_until": now + LEASE,
        }
        if await self._done(self._beginning, {**name._asdict(), **fresh}):
            return Proceed(thing)
        async with self._database.begin() as connection:
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
        told = {"status": answer.status, "headers": json.dumps(dict(answer.headers)), "body": answer.body}
        named = {f"its_{part}": value for part, value in name._asdict().items()}
        await self._done(self._answering, {**named, **told})

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

    async def _done(self, gathering: Gathering[Row, bool | DBAPIError], row: Row) -> bool:
        answer = await gathering(row)
        if isinstance(answer, DBAPIError):
            raise answer
        return answer

    async def _begun(self, rows: Sequence[Row]) -> Sequence[bool]:
        """Whether each is the first call under its key."""
        first = self._database.insert(KEYS).on_conflict_do_nothing().returning(KEYS.c.thing)
        async with self._database.begin() as connection:
            things = set((await connection.execute(first, _in_order(rows))).scalars())
        return [row["thing"] in things for row in rows]

    async def _kept(self, rows: Sequence[Row]) -> Sequence[bool]:
        async with self._database.begin() as connection:
            await connection.execute(_ANSWERED, _in_order(rows))
        return [True] * len(rows)

    async def _write(self, name: KeyName, **values: Any) -> None:
        async with self._database.begin() as connection:
            await connection.execute(update(KEYS).where(_named(name)).values(**values))


async def _each(
    commit: Callable[[Sequence[Row]], Awaitable[Sequence[bool]]], rows: Sequence[Row]
) -> Sequence[bool | DBAPIError]:
    """What the database refuses of some rows is refused alone."""
    try:
        return await commit(rows)
    except DBAPIError as error:
        if len(rows) == 1:
            return [error]
        return [answer for row in rows for answer in await _each(commit, [row])]


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """The order in which everybody locks several keys."""
    return sorted(rows, key=lambda row: [row.get(part) or row[f"its_{part}"] for part in _PARTS])


def _named(name: KeyName) -> ColumnElement[bool]:
    return (KEYS.c.username == name.username) & (KEYS.c.call == name.call) & (KEYS.c.key == name.key)


def _kept(row: RowMapping) -> Kept:
    answer = None
    if row["status"] is not None:
        answer = Answer(row["status"], json.loads(row["headers"]), row["body"])
    return Kept(row["fingerprint"], row["thing"], row["created_at"], row["lease_until"], answer)
