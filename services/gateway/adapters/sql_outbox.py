"""Accepted commands until they are answered, in SQL."""

from collections.abc import Sequence
from typing import Any

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
#: Sendings after which a command waits longest; each wait up to there is twice the one before.
SENDS = 6

# A command that was taken is due later than it was put in. What is not was answered meanwhile and then asked
# for again: that one was not sent.
_TAKEN = OUTBOX.c.next_at > OUTBOX.c.created_at
_OURS = OUTBOX.c.id.in_(bindparam("ids", expanding=True)) & _TAKEN
_MOVED = update(OUTBOX).where(OUTBOX.c.id == bindparam("key")).values(next_at=bindparam("at"))


def _turned() -> Any:
    """Takes what has been due for longest, in a CTE, or the limit could be counted more than once."""
    longest = (
        select(OUTBOX.c.id)
        .where(OUTBOX.c.next_at <= bindparam("now"))
        .order_by(OUTBOX.c.next_at, OUTBOX.c.created_at)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
        .cte("longest")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    heard = select(BATCHES.c.last_event_at).where(BATCHES.c.batch_id == OUTBOX.c.batch_id)
    taken = update(OUTBOX).where(OUTBOX.c.id.in_(select(longest.c.id))).values(next_at=bindparam("until"))
    return taken.returning(OUTBOX, heard.scalar_subquery().label("last_event_at"))


def _marked() -> Any:
    """By how often each was sent before, when it is due again."""
    waits = {sends: next_send(0.0, sends + 1) for sends in range(SENDS)}
    wait = case(waits, value=OUTBOX.c.sends, else_=LONGEST)
    again = (
        update(OUTBOX).where(in_turn(_OURS)).values(sends=OUTBOX.c.sends + 1, next_at=bindparam("at") + wait)
    )
    return again.returning(OUTBOX.c.id, OUTBOX.c.route)


# Put together once: that costs more than to have them answered.
_TURNED, _MARKED = _turned(), _marked()


class SqlOutbox:
    """Keeps the promise of `Outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now: float, limit: int) -> Sequence[Due]:
        asked = {"now": now, "most": limit, "until": now + TURN}
        async with self._database.alone() as connection:
            rows = (await connection.execute(_TURNED, asked)).mappings().all()
            messages = {row["id"]: _message(row) for row in rows}
            later = {row["id"]: _later(row, messages[row["id"]], now) for row in rows}
            # Whoever dies before this leaves them to be looked at again, after the turn.
            if moved := [{"key": key, "at": at} for key, at in later.items() if at is not None]:
                await connection.execute(_MOVED, moved)
        return [
            Due(row["id"], message, row["traceparent"])
            for row in sorted(rows, key=lambda row: float(row["created_at"]))
            if later[row["id"]] is None and (message := messages[row["id"]]) is not None
        ]

    async def sent(self, ids: Sequence[str], now: float) -> None:
        async with self._database.alone() as connection:
            marked = (await connection.execute(_MARKED, {"ids": list(ids), "at": now})).all()
            # Nothing comes back to the gateway about a folder: the broker's confirm is the answer. Whoever
            # dies before this lets it be opened once more, which changes nothing.
            if done := [key for key, route in marked if route == OpenFolder.route()]:
                await connection.execute(delete(OUTBOX).where(in_turn(OUTBOX.c.id.in_(done))))

    async def unsent(self, ids: Sequence[str], now: float) -> None:
        async with self._database.alone() as connection:
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
