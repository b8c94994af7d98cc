"""How much is under way, counted in SQL: one user's share inside the transaction that adds to it, everybody's
now and then."""

import asyncio
from time import monotonic

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from services.gateway.adapters.tables import BATCHES
from services.gateway.domain.limits import WINDOW, Load

#: Seconds for which a count of everybody's images is good.
LOOK = 1.0

_WAITING = func.coalesce(func.sum(BATCHES.c.quantity - BATCHES.c.ended), 0)
_OPEN = BATCHES.c.finished_at.is_(None) & BATCHES.c.quantity.is_not(None)
# In a space of its own beside the other advisory locks.
_TURN = text("SELECT pg_advisory_xact_lock(1, hashtext(:username))")


async def user_load(connection: AsyncConnection, username: str, now: float) -> Load:
    """The user's, whose requests take turns from here to the commit: together they can't pass a limit that
    each of them keeps."""
    if connection.dialect.name == "postgresql":
        await connection.execute(_TURN, {"username": username})
    owned = BATCHES.c.username == username
    recent = owned & (BATCHES.c.created_at > now - WINDOW) & BATCHES.c.request.is_not(None)
    images = select(_WAITING).where(owned, _OPEN).scalar_subquery()
    batches = select(func.count(), func.min(BATCHES.c.created_at), images).where(recent)
    count, since, waiting = (await connection.execute(batches)).one()
    return Load(images=int(waiting), batches=count, since=since)


class Backlog:
    """Everybody's images that have not ended, as one process knows them: not older than a second, and with
    what the process itself added since. Replicas together may pass a limit by what one second brings."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = 0
        self._good_until = 0.0
        self._turn = asyncio.Lock()

    async def depth(self) -> int:
        async with self._turn:
            if monotonic() >= self._good_until:
                async with self._database.read() as connection:
                    query = select(_WAITING).where(_OPEN)
                    self._known = int((await connection.execute(query)).scalar_one())
                self._good_until = monotonic() + LOOK
        return self._known

    def grown(self, quantity: int) -> None:
        self._known += quantity
