"""Who waits, and with what: a few index probes, however many rows there are."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, literal_column, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from services.renderer.adapters.rows import KEY, key_of
from services.renderer.adapters.tables import READY, jobs
from services.renderer.domain.dispatch import Head, Queue

#: Users looked at in one claim at most.
MOST_USERS = 1000


class Users:
    """Goes round: where more users wait than one claim looks at, the next claim looks at the next ones."""

    def __init__(self, most: int = MOST_USERS) -> None:
        self._most = most
        self._after = ""

    async def waiting(self, connection: AsyncConnection) -> list[Queue]:
        """Users with images that may be claimed now."""
        rows: Sequence[Any] = (await connection.execute(_queues(self._after, self._most))).all()
        if self._after and len(rows) < self._most:
            # The end of the alphabet: nobody is counted twice, for the first part ends where this one began.
            first = (await connection.execute(_queues("", self._most - len(rows)))).all()
            rows = [*rows, *(row for row in first if row.username <= self._after)]
            self._after = ""
        elif len(rows) == self._most:
            self._after = rows[-1].username
        return [Queue(row.username, row.oldest) for row in rows]


async def queues(connection: AsyncConnection) -> list[Queue]:
    """The users with images that may be claimed now, of the first many."""
    rows = await connection.execute(_queues("", MOST_USERS))
    return [Queue(row.username, row.oldest) for row in rows]


def _queues(after: str, most: int) -> Select[Any]:
    """Goes from each username to the next one in the index, because DISTINCT would read every row."""
    first = select(func.min(jobs.c.username).label("username")).where(READY, jobs.c.username > after)
    found = first.cte("found", recursive=True)
    following = select(func.min(jobs.c.username)).where(READY, jobs.c.username > found.c.username)
    found = found.union_all(select(following.scalar_subquery()).where(found.c.username.is_not(None)))
    oldest = select(func.min(jobs.c.created_at)).where(READY, jobs.c.username == found.c.username)
    statement = select(found.c.username, oldest.scalar_subquery().label("oldest"))
    return statement.where(found.c.username.is_not(None)).limit(most)


async def heads_of(connection: AsyncConnection, users: Sequence[str], count: int) -> list[Head]:
    """The first `count` images of each user, oldest batch first, in its order."""
    if not users:
        return []
    order = (jobs.c.created_at, jobs.c.batch_id, jobs.c.ordinal)
    place = (jobs.c.idx, jobs.c.avoid, jobs.c.backend, jobs.c.remote_id, jobs.c.receipt)
    columns = (*KEY, jobs.c.username, jobs.c.created_at, *place)
    each = [
        select(*columns).where(READY, jobs.c.username == user).order_by(*order).limit(count).subquery()
        for user in users
    ]
    rows: Any = await connection.execute(
        union_all(*(select(literal_column("*")).select_from(part) for part in each))
    )
    return [
        Head(
            key_of(row),
            row.username,
            row.created_at,
            index=row.idx,
            avoid=row.avoid,
            left_at=row.backend,
            remote_id=row.remote_id,
            receipt=row.receipt,
        )
        for row in rows
    ]
