"""Webhooks by their owner, in SQL."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from sqlalchemy import RowMapping, delete, func, insert, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from services.gateway.adapters.webhooks import sealing
from services.gateway.adapters.webhooks.tables import ATTEMPTS, DELIVERIES, SECRETS, WEBHOOKS
from services.gateway.domain.webhooks import (
    DeliveryStatus,
    Disabled,
    Secret,
    Webhook,
    WebhookWish,
    rotated,
    signing,
)
from services.gateway.webhook_ports import OwnersSecret, TooManyWebhooks

#: Webhooks about everything that one user may have.
MOST = 20

_TURN = text("SELECT pg_advisory_xact_lock(hashtext('darkroom.gateway.webhooks'), hashtext(:username))")


class SqlWebhooks:
    """Keeps the promise of `Webhooks`."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def add(
        self, username: str, wish: WebhookWish, webhook_id: str | None = None
    ) -> tuple[Webhook, str]:
        now, key = self._clock(), sealing.new_secret()
        webhook_id = webhook_id or f"wh_{uuid4().hex}"
        async with self._database.begin() as connection:
            if self._database.is_postgresql:
                # Two at once would both count what was there before either.
                await connection.execute(_TURN, {"username": username})
            if known := await _sought(connection, webhook_id, username):
                return to_webhook(known), sealing.read(known["secrets"])[0].key
            owned = select(func.count()).where(WEBHOOKS.c.username == username, WEBHOOKS.c.batch_id.is_(None))
            if (await connection.execute(owned)).scalar_one() >= MOST:
                raise TooManyWebhooks(MOST)
            values = _row(webhook_id, username, wish, now) | {"secrets": sealing.written([Secret(key)])}
            await connection.execute(insert(WEBHOOKS).values(values))
            return to_webhook(await _found(connection, webhook_id, username)), key

    async def find(self, webhook_id: str, username: str) -> Webhook | None:
        async with self._database.read() as connection:
            row = await _sought(connection, webhook_id, username)
        return to_webhook(row) if row else None

    async def list(
        self, username: str, batch_id: str | None, before: tuple[float, str] | None, limit: int
    ) -> Sequence[Webhook]:
        query = select(WEBHOOKS).where(WEBHOOKS.c.username == username, WEBHOOKS.c.batch_id == batch_id)
        if before:
            query = query.where(tuple_(WEBHOOKS.c.created_at, WEBHOOKS.c.id) < before)
        query = query.order_by(WEBHOOKS.c.created_at.desc(), WEBHOOKS.c.id.desc()).limit(limit)
        async with self._database.read() as connection:
            return [to_webhook(row) for row in (await connection.execute(query)).mappings()]

    async def change(self, webhook: Webhook, changes: Mapping[str, Any]) -> Webhook | None:
        async with self._database.begin() as connection:
            ours = WEBHOOKS.c.id == webhook.id
            if changes:
                await connection.execute(update(WEBHOOKS).where(ours).values(**changes))
            row = await _sought(connection, webhook.id, webhook.username)
        return to_webhook(row) if row else None

    async def switch(self, webhook: Webhook, enabled: bool) -> Webhook | None:
        if enabled == (webhook.disabled is None):
            return webhook
        off = {"disabled": Disabled.ASKED.value, "disabled_at": self._clock()}
        on = {"disabled": None, "disabled_at": None, "failing_since": None}
        return await self.change(webhook, on if enabled else off)

    async def remove(self, webhook: Webhook) -> None:
        async with self._database.begin() as connection:
            # First, so that nothing new is written down for it while the rest goes.
            await connection.execute(delete(WEBHOOKS).where(WEBHOOKS.c.id == webhook.id))
            ours = select(DELIVERIES.c.id).where(DELIVERIES.c.webhook_id == webhook.id)
            await connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.delivery_id.in_(ours)))
            await connection.execute(delete(DELIVERIES).where(DELIVERIES.c.webhook_id == webhook.id))

    async def rotate(self, webhook: Webhook) -> tuple[Secret, ...]:
        now, key = self._clock(), sealing.new_secret()
        async with self._database.begin() as connection:
            query = select(WEBHOOKS.c.secrets).where(WEBHOOKS.c.id == webhook.id).with_for_update()
            kept = (await connection.execute(query)).scalar_one_or_none()
            if kept is None:
                raise OwnersSecret(webhook.id)
            known = rotated(sealing.read(kept), key, now)
            values = {"secrets": sealing.written(known)}
            await connection.execute(update(WEBHOOKS).where(WEBHOOKS.c.id == webhook.id).values(values))
        return known

    async def own_secret(self, username: str) -> tuple[Secret, ...]:
        async with self._database.begin() as connection:
            await keep_secret(self._database, connection, username)
            return signing(await _own(connection, username), self._clock())

    async def rotate_own(self, username: str) -> tuple[Secret, ...]:
        now, key = self._clock(), sealing.new_secret()
        async with self._database.begin() as connection:
            await keep_secret(self._database, connection, username)
            known = rotated(await _own(connection, username), key, now)
            values = {"secrets": sealing.written(known)}
            await connection.execute(update(SECRETS).where(SECRETS.c.username == username).values(values))
        return known


async def keep_secret(database: Database, connection: AsyncConnection, username: str) -> None:
    """The user has a secret of his own from here on; one that is there already stays as it is."""
    fresh = {"username": username, "secrets": sealing.written([Secret(sealing.new_secret())])}
    await connection.execute(database.insert(SECRETS).values(fresh).on_conflict_do_nothing())


async def attach(
    database: Database,
    connection: AsyncConnection,
    batch_id: str,
    username: str,
    wish: WebhookWish,
    now: float,
) -> None:
    """A webhook about this batch alone, in the transaction that accepts it."""
    await keep_secret(database, connection, username)
    webhook_id = f"wh_{uuid5(NAMESPACE_URL, f'darkroom/webhook/of/{batch_id}').hex}"
    values = _row(webhook_id, username, wish, now) | {"batch_id": batch_id}
    await connection.execute(database.insert(WEBHOOKS).values(values).on_conflict_do_nothing())


def to_webhook(row: RowMapping) -> Webhook:
    return Webhook(
        id=row["id"],
        username=row["username"],
        batch_id=row["batch_id"],
        url=row["url"],
        description=row["description"],
        events=tuple(row["events"].split()),
        created_at=row["created_at"],
        disabled=Disabled(row["disabled"]) if row["disabled"] else None,
        disabled_at=row["disabled_at"],
        failing_since=row["failing_since"],
    )


async def disable(connection: AsyncConnection, webhook_id: str, why: Disabled, now: float) -> None:
    """It is called no more, also not with what was still to be told."""
    ours = WEBHOOKS.c.id == webhook_id
    values = {"disabled": why.value, "disabled_at": now}
    await connection.execute(update(WEBHOOKS).where(ours, WEBHOOKS.c.disabled.is_(None)).values(values))
    open_ = (DELIVERIES.c.webhook_id == webhook_id) & (DELIVERIES.c.status == DeliveryStatus.PENDING.value)
    given_up = {"status": DeliveryStatus.FAILED.value, "next_at": None, "lease": None}
    await connection.execute(update(DELIVERIES).where(open_).values(given_up))


def _row(webhook_id: str, username: str, wish: WebhookWish, now: float) -> dict[str, Any]:
    return {
        "id": webhook_id,
        "username": username,
        "url": wish.url,
        "receiver": wish.receiver,
        "description": wish.description,
        "events": " ".join(wish.events),
        "created_at": now,
    }


async def _own(connection: AsyncConnection, username: str) -> tuple[Secret, ...]:
    query = select(SECRETS.c.secrets).where(SECRETS.c.username == username).with_for_update()
    return sealing.read((await connection.execute(query)).scalar_one())


async def _sought(connection: AsyncConnection, webhook_id: str, username: str) -> RowMapping | None:
    query = select(WEBHOOKS).where(WEBHOOKS.c.id == webhook_id, WEBHOOKS.c.username == username)
    return (await connection.execute(query)).mappings().one_or_none()


async def _found(connection: AsyncConnection, webhook_id: str, username: str) -> RowMapping:
    row = await _sought(connection, webhook_id, username)
    assert row is not None  # it was inserted a moment ago
    return row
