"""The log of deliveries as their owner sees it, in SQL."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import RowMapping, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from services.gateway.adapters.webhooks import bodies
from services.gateway.adapters.webhooks.tables import ATTEMPTS, DELIVERIES, WEBHOOKS
from services.gateway.domain.news import Word
from services.gateway.domain.webhooks import Attempt, Delivery, DeliveryStatus, Webhook
from services.gateway.webhook_ports import WebhookDisabled

#: Attempts of one delivery that are shown: all of two schedules.
SHOWN = 20


class SqlDeliveryLog:
    """Keeps the promise of `DeliveryLog`."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def list(
        self,
        webhook: Webhook,
        status: DeliveryStatus | None,
        before: tuple[float, str] | None,
        limit: int,
    ) -> Sequence[Delivery]:
        query = select(DELIVERIES).where(DELIVERIES.c.webhook_id == webhook.id)
        if status:
            query = query.where(DELIVERIES.c.status == status.value)
        if before:
            query = query.where(tuple_(DELIVERIES.c.created_at, DELIVERIES.c.id) < before)
        query = query.order_by(DELIVERIES.c.created_at.desc(), DELIVERIES.c.id.desc()).limit(limit)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
            attempts = await _attempts(connection, [row["id"] for row in rows])
        return [_delivery(row, attempts) for row in rows]

    async def find(self, webhook: Webhook, delivery_id: str) -> Delivery | None:
        async with self._database.read() as connection:
            row = (await connection.execute(_sought(webhook, delivery_id))).mappings().one_or_none()
            return _delivery(row, await _attempts(connection, [delivery_id])) if row else None

    async def redeliver(self, webhook: Webhook, delivery_id: str) -> Delivery | None:
        now = self._clock()
        async with self._database.begin() as connection:
            await _must_be_called(connection, webhook)
            values = {
                "status": DeliveryStatus.PENDING.value,
                "tries": 0,
                "next_at": now,
                "lease": None,
            }
            # One that is being sent now is being told already.
            idle = or_(DELIVERIES.c.lease.is_(None), DELIVERIES.c.next_at <= now)
            ours = (DELIVERIES.c.id == delivery_id) & (DELIVERIES.c.webhook_id == webhook.id)
            await connection.execute(update(DELIVERIES).where(ours, idle).values(values))
        return await self.find(webhook, delivery_id)

    async def test(self, webhook: Webhook) -> Delivery:
        now, data = self._clock(), bodies.TestNews(webhook_id=webhook.id)
        async with self._database.begin() as connection:
            await _must_be_called(connection, webhook)
            values = {
                "id": f"msg_{uuid4().hex}",
                "webhook_id": webhook.id,
                "username": webhook.username,
                "word": Word.TEST.value,
                "body": bodies.written(Word.TEST, data, now),
                "created_at": now,
                "first_at": now,
                "status": DeliveryStatus.PENDING.value,
                "tries": 0,
                "next_at": now,
            }
            fresh = insert(DELIVERIES).values(values).returning(DELIVERIES)
            row = (await connection.execute(fresh)).mappings().one()
        return _delivery(row, {})


def _sought(webhook: Webhook, delivery_id: str) -> Any:
    return select(DELIVERIES).where(DELIVERIES.c.id == delivery_id, DELIVERIES.c.webhook_id == webhook.id)


async def _must_be_called(connection: AsyncConnection, webhook: Webhook) -> None:
    query = select(WEBHOOKS.c.id).where(WEBHOOKS.c.id == webhook.id, WEBHOOKS.c.disabled.is_(None))
    if (await connection.execute(query)).first() is None:
        raise WebhookDisabled(webhook.id)


async def _attempts(connection: AsyncConnection, ids: Sequence[str]) -> Mapping[str, tuple[Attempt, ...]]:
    """The last ones of each delivery, oldest first."""
    latest = func.row_number().over(partition_by=ATTEMPTS.c.delivery_id, order_by=ATTEMPTS.c.id.desc())
    ranked = select(ATTEMPTS, latest.label("place")).where(ATTEMPTS.c.delivery_id.in_(ids)).subquery()
    query = select(ranked).where(ranked.c.place <= SHOWN).order_by(ranked.c.id)
    found: dict[str, tuple[Attempt, ...]] = {}
    for row in (await connection.execute(query)).mappings():
        attempt = Attempt(row["at"], row["latency_ms"], row["status"], row["error"], row["response"])
        found[row["delivery_id"]] = (*found.get(row["delivery_id"], ()), attempt)
    return found


def _delivery(row: RowMapping, attempts: Mapping[str, tuple[Attempt, ...]]) -> Delivery:
    return Delivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        batch_id=row["batch_id"],
        word=row["word"],
        body=row["body"],
        status=DeliveryStatus(row["status"]),
        created_at=row["created_at"],
        delivered_at=row["delivered_at"],
        # Of what is under way this is the end of the lease, which is nobody's business.
        next_at=None if row["lease"] else row["next_at"],
        attempts=attempts.get(row["id"], ()),
    )
