"""Batches by their owner, in SQL: every wish is one commit together with the command that carries it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import RowMapping, bindparam, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.gathering import Gathering
from contracts.commands import CancelBatch, GenerateBatch, RetryImages
from services.gateway.adapters import change_log
from services.gateway.adapters.accepting import Accepting, Sender
from services.gateway.adapters.batch_rows import count_ended, enqueue, images_of, locked
from services.gateway.adapters.batch_search import matching
from services.gateway.adapters.keeping import Order
from services.gateway.adapters.load import user_load
from services.gateway.adapters.rows import to_batch, to_image
from services.gateway.adapters.tables import BATCHES, IMAGES
from services.gateway.domain.batches import ANY, Batch, Sought, to_retry
from services.gateway.domain.images import ImageState, Status
from services.gateway.domain.limits import UNLIMITED, Limits, excess
from services.gateway.domain.webhooks import WebhookWish
from services.gateway.ports import Canceling, Summary, TooMuch

# Put together once: that costs more than to have it answered.
_OVER = select(BATCHES.c.batch_id).where(
    BATCHES.c.batch_id.in_(bindparam("batch_ids", expanding=True)), BATCHES.c.finished_at.is_not(None)
)

#: Batches that are looked at together.
MOST_AT_ONCE = 200


class SqlBatches:
    """Keeps the promise of `Batches`."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        limits: Limits = UNLIMITED,
        sender: Sender | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits
        self._accepting = Accepting(database, clock, limits, sender)
        # Who waits for the end of a batch is woken together with those who wait for others of its commit.
        self._looking: Gathering[str, bool] = Gathering(self._over, MOST_AT_ONCE)

    async def accept(self, request: GenerateBatch, webhook: WebhookWish | None = None) -> Batch:
        return await self._accepting(Order(request, webhook))

    async def aclose(self) -> None:
        """To be called when nobody waits for a batch any more."""
        await self._accepting.aclose()
        await self._looking.aclose()

    async def find(self, batch_id: str, username: str) -> tuple[Batch, Sequence[ImageState]] | None:
        owned = (BATCHES.c.batch_id == batch_id) & (BATCHES.c.username == username)
        async with self._database.read() as connection:
            query = select(BATCHES).where(owned, BATCHES.c.request.is_not(None))
            row = (await connection.execute(query)).mappings().one_or_none()
            return (to_batch(row), await images_of(connection, batch_id)) if row else None

    async def is_over(self, batch_id: str) -> bool:
        return await self._looking(batch_id)

    async def glance(self, batch_id: str, ordinals: Sequence[int]) -> tuple[Summary, Sequence[ImageState]]:
        ours = IMAGES.c.batch_id == batch_id
        counted = select(IMAGES.c.status, func.count()).where(ours).group_by(IMAGES.c.status)
        named = select(IMAGES).where(ours, IMAGES.c.ordinal.in_(ordinals))
        async with self._database.read() as connection:
            images = [to_image(row) for row in (await connection.execute(named)).mappings()]
            counts = {Status(status): number for status, number in await connection.execute(counted)}
            row = (await connection.execute(select(BATCHES).where(BATCHES.c.batch_id == batch_id))).mappings()
            return Summary(to_batch(row.one()), counts), images

    async def list(
        self, username: str, before: tuple[float, str] | None, limit: int, sought: Sought = ANY
    ) -> Sequence[Summary]:
        query = select(BATCHES).where(
            BATCHES.c.username == username, BATCHES.c.request.is_not(None), *matching(sought)
        )
        if before:
            query = query.where(tuple_(BATCHES.c.created_at, BATCHES.c.batch_id) < before)
        query = query.order_by(BATCHES.c.created_at.desc(), BATCHES.c.batch_id.desc()).limit(limit)
        async with self._database.read() as connection:
            batches = [to_batch(row) for row in (await connection.execute(query)).mappings()]
            counted = (
                select(IMAGES.c.batch_id, IMAGES.c.status, func.count().label("images"))
                .where(IMAGES.c.batch_id.in_([batch.request.batch_id for batch in batches]))
                .group_by(IMAGES.c.batch_id, IMAGES.c.status)
            )
            counts: dict[str, dict[Status, int]] = {}
            for batch_id, status, images in await connection.execute(counted):
                counts.setdefault(batch_id, {})[Status(status)] = images
        return [Summary(batch, counts.get(batch.request.batch_id, {})) for batch in batches]

    async def cancel(self, batch_id: str) -> None:
        now = self._clock()
        async with self._database.begin() as connection:
            row = await locked(self._database, connection, batch_id, now)
            if row["finished_at"] is not None or row["cancel_requested_at"] is not None:
                return
            await connection.execute(
                update(BATCHES).where(BATCHES.c.batch_id == batch_id).values(cancel_requested_at=now)
            )
            newest = select(func.max(IMAGES.c.round)).where(IMAGES.c.batch_id == batch_id)
            # A copy of it that comes late must not cancel what is asked for again after this.
            round_ = (await connection.execute(newest)).scalar() or 1
            await enqueue(self._database, connection, [CancelBatch(batch_id=batch_id, round=round_)], now)
            await change_log.append(connection, batch_id, "cancel")

    async def retry(self, batch_id: str, ordinals: Sequence[int] | None) -> int:
        now, in_all = self._clock(), await self._accepting.in_all()
        async with self._database.begin() as connection:
            row = await locked(self._database, connection, batch_id, now)
            if row["cancel_requested_at"] is not None and row["finished_at"] is None:
                raise Canceling(batch_id)
            images = await images_of(connection, batch_id)
            round_, chosen = to_retry(images, ordinals)
            if not chosen:
                return 0
            # It is no new batch, only more images.
            limits = replace(self._limits, batches_per_minute=None)
            await self._room(connection, row["username"], len(chosen), limits, in_all)
            await self._reopen(
                connection, row, [image for image in images if image.ordinal in chosen], round_
            )
            command = RetryImages(batch_id=batch_id, round=round_, ordinals=chosen)
            await enqueue(self._database, connection, [command], now)
            await change_log.append(
                connection, batch_id, "retry", {"round": round_, "ordinals": list(chosen)}
            )
            return len(chosen)

    async def _over(self, batch_ids: Sequence[str]) -> Sequence[bool]:
        async with self._database.read() as connection:
            over = set(await connection.scalars(_OVER, {"batch_ids": batch_ids}))
        return [batch_id in over for batch_id in batch_ids]

    async def _room(
        self, connection: AsyncConnection, username: str, quantity: int, limits: Limits, in_all: int
    ) -> None:
        """Raises TooMuch."""
        if limits == UNLIMITED:
            return
        now = self._clock()
        load = replace(await user_load(connection, username, now), in_all=in_all)
        if too_much := excess(limits, load, quantity, now):
            raise TooMuch(too_much)

    async def _reopen(
        self, connection: AsyncConnection, row: RowMapping, images: Sequence[ImageState], round_: int
    ) -> None:
        status = replace(images[0], round=round_).status
        ordinals = [image.ordinal for image in images]
        named = (IMAGES.c.batch_id == row["batch_id"]) & IMAGES.c.ordinal.in_(ordinals)
        # In the order in which everybody locks several images.
        await connection.execute(
            select(IMAGES.c.ordinal).where(named).order_by(IMAGES.c.ordinal).with_for_update()
        )
        await connection.execute(
            update(IMAGES)
            .where(named)
            .values(round=round_, status=status.value, ended_day=None, ended_at=None, cause=None)
        )
        reopened = {
            "ended": await count_ended(connection, row["batch_id"]),
            "finished_at": None,
            "outcome": None,
            "cancel_requested_at": None,
        }
        await connection.execute(
            update(BATCHES).where(BATCHES.c.batch_id == row["batch_id"]).values(**reopened)
        )
