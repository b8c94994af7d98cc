"""How much is under way, counted in SQL: one user's share inside the transaction that adds to it, everybody's
now and then."""

import asyncio
from collections.abc import Set
from time import monotonic
from typing import Any

from sqlalchemy import (
    BigInteger,
    CompoundSelect,
    Float,
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


def _loads() -> CompoundSelect[Any]:
    """Of each user: batches of the last minute and when the first of them was made, and images."""
    user = BATCHES.c.username
    owned = user.in_(bindparam("usernames", expanding=True))
    recent = (BATCHES.c.created_at > bindparam("since")) & BATCHES.c.request.is_not(None)
    batches = select(user, func.count(), func.min(BATCHES.c.created_at), _NOTHING)
    images = select(user, _NOTHING, cast(None, Float), _WAITING)
    return union_all(batches.where(owned, recent).group_by(user), images.where(owned, _OPEN).group_by(user))


# Put together once: that costs more than to have it answered.
_LOADS = _loads()


async def user_load(connection: AsyncConnection, username: str, now: float) -> Load:
    """One user's, as `loads` says."""
    return (await loads(connection, {username}, now))[username]


async def loads(connection: AsyncConnection, usernames: Set[str], now: float) -> dict[str, Load]:
    """Each user's, whose requests take turns from here to the commit: together they can't pass a limit that
    each of them keeps."""
    if connection.dialect.name == "postgresql":
        await connection.execute(_TURNS, {"usernames": list(usernames)})
    asked = {"usernames": list(usernames), "since": now - WINDOW}
    found = {username: Load(0) for username in usernames}
    for username, count, since, waiting in await connection.execute(_LOADS, asked):
        known = found[username]
        found[username] = Load(known.images + int(waiting), known.batches + count, since or known.since)
    return found


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
