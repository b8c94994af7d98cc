"""Accepted commands until they are answered, in SQL."""

from collections.abc import Sequence

import structlog
from sqlalchemy import RowMapping, bindparam, case, delete, func, select, update

from chassis.database import Database
from contracts.commands import OpenFolder
from contracts.message import Message, Undecodable
from contracts.topology import BY_ROUTE
from messaging import tracing
from services.gateway.adapters.batch_rows import in_turn
from services.gateway.adapters.tables import BATCHES, OUTBOX
from services.gateway.domain.resend import LONGEST, next_send, quiet_until
from services.gateway.ports import Due

log = structlog.get_logger("gateway")

#: Seconds that a replica has to send what it took before another one may.
TURN = 30.0

# A command that was taken is due later than it was put in. What is not was answered meanwhile and then asked
# for again: that one was not sent.
_TAKEN = OUTBOX.c.next_at > OUTBOX.c.created_at
_MOVED = update(OUTBOX).where(OUTBOX.c.id == bindparam("key"))
_SENT = _MOVED.values(sends=bindparam("sent"), next_at=bindparam("at"))


class SqlOutbox:
    """Keeps the promise of `Outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now: float, limit: int) -> Sequence[Due]:
        heard = select(OUTBOX, BATCHES.c.last_event_at).select_from(
            OUTBOX.outerjoin(BATCHES, OUTBOX.c.batch_id == BATCHES.c.batch_id)
        )
        longest = (
            heard.where(OUTBOX.c.next_at <= now).order_by(OUTBOX.c.next_at, OUTBOX.c.created_at).limit(limit)
        )
        async with self._database.begin() as connection:
            query = longest.with_for_update(skip_locked=True, of=OUTBOX)
            rows = (await connection.execute(query)).mappings().all()
            messages = {row["id"]: _message(row) for row in rows}
            later = {row["id"]: _later(row, messages[row["id"]], now) for row in rows}
            if rows:
                turns = [{"key": key, "at": at or now + TURN} for key, at in later.items()]
                await connection.execute(_MOVED.values(next_at=bindparam("at")), turns)
        traces = {row["id"]: row["traceparent"] for row in rows}
        return [
            Due(key, message, traces[key])
            for key, message in messages.items()
            if message is not None and later[key] is None
        ]

    async def sent(self, ids: Sequence[str], now: float) -> None:
        taken = OUTBOX.c.id.in_(ids) & _TAKEN
        async with self._database.begin() as connection:
            query = select(OUTBOX.c.id, OUTBOX.c.sends, OUTBOX.c.route).where(taken).order_by(OUTBOX.c.id)
            rows = (await connection.execute(query.with_for_update())).all()
            # Nothing comes back to the gateway about a folder: the broker's confirm is the answer.
            done = [key for key, _, route in rows if route == OpenFolder.route()]
            if done:
                await connection.execute(delete(OUTBOX).where(OUTBOX.c.id.in_(done)))
            again = [
                {"key": key, "sent": n + 1, "at": next_send(now, n + 1)}
                for key, n, route in rows
                if route != OpenFolder.route()
            ]
            if again:
                await connection.execute(_SENT, again)

    async def unsent(self, ids: Sequence[str], now: float) -> None:
        async with self._database.begin() as connection:
            taken = in_turn(OUTBOX.c.id.in_(ids) & _TAKEN)
            await connection.execute(update(OUTBOX).where(taken).values(next_at=now))

    async def all_due(self) -> None:
        async with self._database.begin() as connection:
            everything = in_turn(OUTBOX.c.id.is_not(None))
            await connection.execute(update(OUTBOX).where(everything).values(next_at=0, sends=0))

    async def oldest(self) -> tuple[float | None, float | None]:
        """When the oldest command was accepted of all that are unanswered, and of those that were never sent;
        epoch seconds."""
        unsent = case((OUTBOX.c.sends == 0, OUTBOX.c.created_at))
        query = select(func.min(OUTBOX.c.created_at), func.min(unsent))
        async with self._database.read() as connection:
            oldest, waiting = (await connection.execute(query)).one()
        return oldest, waiting


def _message(row: RowMapping) -> Message | None:
    """None for what this release can't read: another release put it in, and may be there again. It must not
    hold up the others."""
    try:
        return BY_ROUTE[row["route"]].decode(row["body"].encode())
    except (KeyError, Undecodable) as why:
        whose = {"id": row["id"], "route": row["route"], "batch_id": row["batch_id"]}
        with tracing.following(tracing.read(row["traceparent"]), "outbox", quiet=True):
            log.error("a command in the outbox can't be read", **whose, reason=str(why))
        return None


def _later(row: RowMapping, message: Message | None, now: float) -> float | None:
    """One that was sent before waits on while its batch is heard of."""
    if message is None:
        return now + LONGEST
    return quiet_until(row["last_event_at"], now) if row["sends"] else None
