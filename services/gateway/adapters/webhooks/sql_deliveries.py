"""What is to be told, in SQL: claimed under a lease, so that a process that dies loses nothing."""

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Label, RowMapping, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from services.gateway.adapters.webhooks import sealing
from services.gateway.adapters.webhooks.sql_webhooks import disable
from services.gateway.adapters.webhooks.tables import ATTEMPTS, DELIVERIES, SECRETS, WEBHOOKS
from services.gateway.domain.webhooks import (
    PER_RECEIVER,
    PER_USER,
    PLACES,
    Attempt,
    Disabled,
    Due,
    Outcome,
    UnderWay,
)
from services.gateway.webhook_ports import Call

#: Seconds that a call is its claimant's own; the longest call takes half of it.
LEASE = 60.0

_CALLED = (
    DELIVERIES.c.id,
    DELIVERIES.c.webhook_id,
    DELIVERIES.c.username,
    DELIVERIES.c.word,
    DELIVERIES.c.body,
    DELIVERIES.c.tries,
    WEBHOOKS.c.url,
    WEBHOOKS.c.receiver,
    WEBHOOKS.c.failing_since,
)
_TAKEN = (
    update(DELIVERIES)
    .where(DELIVERIES.c.id == bindparam("key"))
    .values(lease=bindparam("by"), next_at=bindparam("until"))
)
_EARLIEST = select(func.min(DELIVERIES.c.next_at))


class SqlDeliveries:
    """Keeps the promise of `Deliveries`."""

    def __init__(
        self, database: Database, clock: Callable[[], float] = time.time, lease: float = LEASE
    ) -> None:
        self._database = database
        self._clock = clock
        self._lease = lease

    async def claim(self, under_way: UnderWay) -> tuple[Sequence[Call], float | None]:
        now = self._clock()
        # First without a lock: a thousand looks of an idle gateway are no reason to stop its writers.
        async with self._database.read() as connection:
            earliest = (await connection.execute(_EARLIEST)).scalar_one()
            if earliest is None or earliest > now:
                return [], earliest
            following = (await connection.execute(_following(now))).scalar_one()
            due = [Due(*row) for row in await connection.execute(_candidates(under_way, now))]
        wanted = [each.id for each in under_way.admits(due)]
        if not wanted:
            return [], following
        async with self._database.begin() as connection:
            rows = (await connection.execute(_claimable(wanted, now))).mappings().all()
            calls = [
                Call(**{**row, "secrets": sealing.read(row["secrets"])}, lease=uuid4().hex) for row in rows
            ]
            if calls:
                until = now + self._lease
                taken = [{"key": call.id, "by": call.lease, "until": until} for call in calls]
                await connection.execute(_TAKEN, taken)
        return calls, following

    async def settle(self, call: Call, attempt: Attempt, outcome: Outcome) -> None:
        async with self._database.begin() as connection:
            await _marked(connection, call, attempt, outcome, self._clock())
            values = {
                "status": outcome.status.value,
                "next_at": outcome.next_at,
                "lease": None,
                "tries": call.tries + 1,
            }
            ours = DELIVERIES.c.id == call.id
            if attempt.succeeded:
                values["delivered_at"] = attempt.at
            else:
                ours &= DELIVERIES.c.lease == call.lease
            await connection.execute(update(DELIVERIES).where(ours).values(values))
            # Not of one that was removed meanwhile.
            known = select(DELIVERIES.c.id).where(DELIVERIES.c.id == call.id)
            if (await connection.execute(known)).first():
                await connection.execute(_logged(call, attempt))

    async def oldest(self) -> float | None:
        open_ = select(func.min(DELIVERIES.c.created_at)).where(DELIVERIES.c.next_at.is_not(None), _called())
        async with self._database.read() as connection:
            found = (await connection.execute(open_)).scalar_one()
        return None if found is None else float(found)

    async def prune(self, before: float, limit: int) -> int:
        # Also what waits for a webhook that its owner has disabled, or that is gone.
        ended = or_(DELIVERIES.c.next_at.is_(None), ~_called())
        old = select(DELIVERIES.c.id).where(DELIVERIES.c.created_at < before, ended).limit(limit)
        async with self._database.begin() as connection:
            found = (await connection.execute(old)).scalars().all()
            if found:
                await connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.delivery_id.in_(found)))
                await connection.execute(delete(DELIVERIES).where(DELIVERIES.c.id.in_(found)))
        return len(found)


def _called() -> ColumnElement[bool]:
    """Its webhook is there and called."""
    enabled = (WEBHOOKS.c.id == DELIVERIES.c.webhook_id) & WEBHOOKS.c.disabled.is_(None)
    return select(WEBHOOKS.c.id).where(enabled).exists()


def _candidates(under_way: UnderWay, now: float) -> Any:
    """What is due, the longest due first, of each receiver and of each user the first few alone."""
    due = (DELIVERIES.c.next_at <= now) & WEBHOOKS.c.disabled.is_(None)
    due &= WEBHOOKS.c.receiver.not_in(under_way.full_receivers)
    due &= DELIVERIES.c.username.not_in(under_way.full_users)
    among = select(
        DELIVERIES.c.id,
        WEBHOOKS.c.receiver,
        DELIVERIES.c.username,
        DELIVERIES.c.next_at,
        _place(WEBHOOKS.c.receiver, "of_receiver"),
        _place(DELIVERIES.c.username, "of_user"),
    ).select_from(DELIVERIES.join(WEBHOOKS, WEBHOOKS.c.id == DELIVERIES.c.webhook_id))
    ranked = among.where(due).subquery().c
    first = select(ranked.id, ranked.receiver, ranked.username).where(
        ranked.of_receiver <= PER_RECEIVER, ranked.of_user <= PER_USER
    )
    return first.order_by(ranked.next_at, ranked.id).limit(PLACES)


def _place(column: ColumnElement[Any], name: str) -> Label[int]:
    order = (DELIVERIES.c.next_at, DELIVERIES.c.id)
    return func.row_number().over(partition_by=column, order_by=order).label(name)


def _claimable(due: Sequence[str], now: float) -> Any:
    """Looked at again under the lock: another replica may have been here."""
    joined = DELIVERIES.join(WEBHOOKS, WEBHOOKS.c.id == DELIVERIES.c.webhook_id).outerjoin(
        SECRETS, SECRETS.c.username == DELIVERIES.c.username
    )
    wanted = DELIVERIES.c.id.in_(due) & (DELIVERIES.c.next_at <= now) & WEBHOOKS.c.disabled.is_(None)
    secrets = func.coalesce(WEBHOOKS.c.secrets, SECRETS.c.secrets).label("secrets")
    query = select(*_CALLED, secrets).select_from(joined).where(wanted, secrets.is_not(None))
    return query.with_for_update(of=DELIVERIES, skip_locked=True)


def _following(now: float) -> Any:
    return select(func.min(DELIVERIES.c.next_at)).where(DELIVERIES.c.next_at > now)


def _call(row: RowMapping) -> Call:
    # A new lease for each claim, so that a later claim of the same delivery is told from this one.
    return Call(**{**row, "secrets": sealing.read(row["secrets"])}, lease=uuid4().hex)


async def _marked(
    connection: AsyncConnection, call: Call, attempt: Attempt, outcome: Outcome, now: float
) -> None:
    """How the receiver stands."""
    ours = WEBHOOKS.c.id == call.webhook_id
    if attempt.succeeded:
        well = update(WEBHOOKS).where(ours, WEBHOOKS.c.failing_since.is_not(None))
        await connection.execute(well.values(failing_since=None))
    else:
        ill = update(WEBHOOKS).where(ours, WEBHOOKS.c.failing_since.is_(None))
        await connection.execute(ill.values(failing_since=attempt.at))
    if outcome.disables and await _is_to_be_disabled(connection, call, outcome.disables):
        await disable(connection, call.webhook_id, outcome.disables, now)


async def _is_to_be_disabled(connection: AsyncConnection, call: Call, why: Disabled) -> bool:
    """A receiver that answered well since the call was claimed is not one that fails for days."""
    query = select(WEBHOOKS.c.failing_since).where(WEBHOOKS.c.id == call.webhook_id).with_for_update()
    since = (await connection.execute(query)).scalar_one_or_none()
    return why is Disabled.GONE or (since is not None and since == call.failing_since)


def _logged(call: Call, attempt: Attempt) -> Any:
    values = {name: getattr(attempt, name) for name in ("at", "latency_ms", "status", "error", "response")}
    return insert(ATTEMPTS).values(delivery_id=call.id, **values)
