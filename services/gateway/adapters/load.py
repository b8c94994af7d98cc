"""How much is under way, counted in SQL: one user's share inside the transaction that adds to it, everybody's
now and then."""

import asyncio
from collections.abc import Sequence, Set
from time import monotonic
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    CompoundSelect,
    Float,
    Text,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    text,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from messaging import tracing
from messaging.errors import Outage, TemporaryError
from services.gateway.adapters.tables import BATCHES
from services.gateway.domain.limits import WINDOW, Load

#: Seconds for which a count of everybody's images is good.
LOOK = 1.0

_WAITING = func.coalesce(func.sum(BATCHES.c.quantity - BATCHES.c.ended), 0)
_NOTHING = literal_column("0", BigInteger)
_OPEN = BATCHES.c.finished_at.is_(None) & BATCHES.c.quantity.is_not(None)
# In a space of its own beside the other advisory locks; of several users in one order at everybody.
_TURNS = text(
    "SELECT pg_advisory_xact_lock(1, turn) FROM (SELECT DISTINCT hashtext(username) AS turn "
    "FROM unnest(CAST(:usernames AS text[])) AS username ORDER BY turn) AS turns"
)


def _loads(postgresql: bool) -> CompoundSelect[Any]:
    """Of each user: batches of the last minute and when the first of them was made, and images. Of each
    batch: that it was asked for."""

    def among(column: Column[str], name: str) -> ColumnElement[bool]:
        # As one value it makes the same statement of any number, which the database has to read only once.
        if postgresql:
            return column == any_(bindparam(name, type_=ARRAY(Text)))
        return column.in_(bindparam(name, expanding=True))

    user, batch_id = BATCHES.c.username, BATCHES.c.batch_id
    owned, asked = among(user, "usernames"), BATCHES.c.request.is_not(None)
    never, nobody = cast(None, Float), cast(None, Text)
    batches = select(user, func.count(), func.min(BATCHES.c.created_at), _NOTHING, nobody)
    images = select(user, _NOTHING, never, _WAITING, nobody)
    return union_all(
        batches.where(owned, BATCHES.c.created_at > bindparam("since"), asked).group_by(user),
        images.where(owned, _OPEN).group_by(user),
        select(user, _NOTHING, never, _NOTHING, batch_id).where(among(batch_id, "batch_ids"), asked),
    )


# Put together once: that costs more than to have it answered.
_LOADS = {postgresql: _loads(postgresql) for postgresql in (True, False)}


async def user_load(connection: AsyncConnection, username: str, now: float) -> Load:
    """One user's, as `loads` says."""
    return (await loads(connection, {username}, now))[0][username]


async def loads(
    connection: AsyncConnection, usernames: Set[str], now: float, batch_ids: Sequence[str] = ()
) -> tuple[dict[str, Load], set[str]]:
    """Each user's, whose requests take turns from here to the commit: together they can't pass a limit that
    each of them keeps. And which of these batches were asked for before."""
    postgresql = connection.dialect.name == "postgresql"
    if postgresql:
        await connection.execute(_TURNS, {"usernames": list(usernames)})
    asked = {"usernames": list(usernames), "since": now - WINDOW, "batch_ids": list(batch_ids)}
    found, before = {username: Load(0) for username in usernames}, set()
    for username, count, since, waiting, batch_id in await connection.execute(_LOADS[postgresql], asked):
        if batch_id is not None:
            before.add(batch_id)
            continue
        known = found[username]
        found[username] = Load(known.images + int(waiting), known.batches + count, since or known.since)
    return found, before


class Backlog:
    """Everybody's images that have not ended, as one process knows them: about a second old, and with what
    the process itself added since. Replicas together may pass a limit by what that time brings."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: None before the first look.
        self._known: int | None = None
        #: What was added since the last look began.
        self._added = 0
        self._good_until = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def depth(self) -> int:
        """Only whoever is the first of all waits for the count: it takes the longer the more there are."""
        if monotonic() >= self._good_until and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look(), context=tracing.apart())
        while self._known is None:
            assert self._looking is not None
            await asyncio.shield(self._looking)
        return self._known + self._added

    def grown(self, quantity: int) -> None:
        self._added += quantity

    async def aclose(self) -> None:
        """To be called when nobody asks any more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look(self) -> None:
        before = self._added
        self._good_until = monotonic() + LOOK
        try:
            async with self._database.read() as connection:
                count = (await connection.execute(select(_WAITING).where(_OPEN))).scalar_one()
        except (Outage, TemporaryError):
            if self._known is None:
                raise
            return
        self._known, self._added = int(count), self._added - before
