"""How accepted batches are written down: the batch, its command and the change, all or nothing."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from contracts.commands import GenerateBatch
from messaging.tracing import traceparent
from services.gateway.adapters import change_log
from services.gateway.adapters.batch_rows import enqueue
from services.gateway.adapters.tables import BATCHES
from services.gateway.adapters.webhooks.sql_webhooks import attach
from services.gateway.domain.webhooks import WebhookWish

# One round trip. The turn at the event log is waited for when every row is written: what it waits for is
# counted in its own condition, which is asked first. So it is held for the commit alone, as in `change_log`.
_KEPT = text(
    """
    WITH kept AS (
        INSERT INTO batches (batch_id, request, username, character_id, quantity, webhook, created_at)
        SELECT fresh.*, CAST(:now AS float8) FROM unnest(
            CAST(:batch_ids AS text[]), CAST(:requests AS text[]), CAST(:usernames AS text[]),
            CAST(:character_ids AS text[]), CAST(:quantities AS integer[]), CAST(:webhooks AS text[])
        ) AS fresh (batch_id, request, username, character_id, quantity, webhook)
        ORDER BY batch_id
        ON CONFLICT (batch_id) DO UPDATE SET
            request = excluded.request, username = excluded.username, webhook = excluded.webhook,
            character_id = excluded.character_id, quantity = excluded.quantity
        RETURNING batch_id, created_at
    ), put AS (
        INSERT INTO outbox (id, batch_id, body, traceparent, route, created_at, next_at)
        SELECT command.*, :route, CAST(:now AS float8), CAST(:next_at AS float8) FROM unnest(
            CAST(:ids AS text[]), CAST(:batch_ids AS text[]), CAST(:requests AS text[]),
            CAST(:traces AS text[])
        ) AS command (id, batch_id, body, traceparent)
        ORDER BY id
        ON CONFLICT DO NOTHING
        RETURNING id
    ), turn AS MATERIALIZED (
        SELECT pg_advisory_xact_lock(hashtext('darkroom.gateway.changes'))
        WHERE (SELECT count(*) FROM kept) + (SELECT count(*) FROM put) > 0
    ), logged AS (
        INSERT INTO changes (batch_id, kind, body, at)
        SELECT batch_id, 'accepted', '{}', CAST(:at AS float8)
        FROM turn, unnest(CAST(:batch_ids AS text[])) AS batch_id
    )
    SELECT batch_id, created_at FROM kept
    """
)


@dataclass(frozen=True)
class Order:
    """A batch that somebody wants, and where he wants to be told of it."""

    request: GenerateBatch
    webhook: WebhookWish | None
    #: Where it was asked for: the commit is everybody's.
    traceparent: str | None = field(default_factory=traceparent, compare=False)

    @property
    def batch_id(self) -> str:
        return self.request.batch_id

    @property
    def asked(self) -> str | None:
        """What was said of the webhook, to know the same order again."""
        return None if self.webhook is None else json.dumps([self.webhook.url, self.webhook.events])


async def keep(
    database: Database, connection: AsyncConnection, orders: Sequence[Order], now: float, turn: float
) -> Mapping[str, float]:
    """When each batch was made, epoch seconds: earlier than now, where events about it came before. For
    `turn` seconds nobody finds the commands due. Call it as the last of a transaction."""
    for order in orders:
        if order.webhook:
            await attach(database, connection, order.batch_id, order.request.username, order.webhook, now)
    if database.is_postgresql:
        rows = await connection.execute(_KEPT, _columns(orders, now, turn))
        return {row.batch_id: float(row.created_at) for row in rows}
    return await _keep_on_sqlite(database, connection, orders, now, turn)


def _columns(orders: Sequence[Order], now: float, turn: float) -> dict[str, Any]:
    requests = [order.request for order in orders]
    return {
        "batch_ids": [request.batch_id for request in requests],
        "requests": [request.encode().decode() for request in requests],
        "usernames": [request.username for request in requests],
        "character_ids": [request.character.id for request in requests],
        "quantities": [request.quantity for request in requests],
        "webhooks": [order.asked for order in orders],
        "ids": [str(request.id()) for request in requests],
        "traces": [order.traceparent for order in orders],
        "route": GenerateBatch.route(),
        "now": now,
        "next_at": now + turn,
        "at": time.time(),
    }


async def _keep_on_sqlite(
    database: Database, connection: AsyncConnection, orders: Sequence[Order], now: float, turn: float
) -> Mapping[str, float]:
    rows = [_row(order, now) for order in orders]
    fresh = database.insert(BATCHES)
    said = {name: fresh.excluded[name] for name in rows[0] if name not in ("batch_id", "created_at")}
    kept = fresh.on_conflict_do_update(index_elements=[BATCHES.c.batch_id], set_=said)
    returned = await connection.execute(kept.returning(BATCHES.c.batch_id, BATCHES.c.created_at), rows)
    made = {row.batch_id: float(row.created_at) for row in returned}
    commands, traces = [order.request for order in orders], [order.traceparent for order in orders]
    await enqueue(database, connection, commands, now, traces, turn)
    await change_log.append_all(connection, [(order.batch_id, "accepted", {}) for order in orders])
    return made


def _row(order: Order, now: float) -> dict[str, Any]:
    request = order.request
    return {
        "batch_id": request.batch_id,
        "created_at": now,
        "request": request.encode().decode(),
        "username": request.username,
        "character_id": request.character.id,
        "quantity": request.quantity,
        "webhook": order.asked,
    }
