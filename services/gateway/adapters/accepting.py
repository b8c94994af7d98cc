"""Batches that are accepted together: whoever asks at the same time shares one commit."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from prometheus_client import Histogram
from sqlalchemy import RowMapping, bindparam, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.gathering import Gathering
from services.gateway.adapters.keeping import Order, keep
from services.gateway.adapters.load import Backlog, loads
from services.gateway.adapters.metrics import ACCEPTED
from services.gateway.adapters.rows import to_batch
from services.gateway.adapters.tables import BATCHES
from services.gateway.domain.batches import Batch, same_request
from services.gateway.domain.limits import UNLIMITED, Limits, Load, excess
from services.gateway.ports import Due, OtherContent, TooMuch

#: Batches in one commit: beyond this a group gains nothing, and the first of it waits longer.
MOST_AT_ONCE = 50
#: Seconds: callers who were answered together ask again together, but the first of them a moment earlier.
#: Without a rest he would have a commit of his own, for which all others wait.
REST = 0.003

GROUPS = Histogram("darkroom_accept_group", "Batches that shared a commit", buckets=(1, 2, 5, 10, 20, 50))

# Put together once: that costs more than to have it answered.
_KNOWN = select(BATCHES).where(BATCHES.c.batch_id.in_(bindparam("batch_ids", expanding=True)))

Answer = Batch | OtherContent | TooMuch | DBAPIError


class Sender(Protocol):
    """As much of the relay as is used here."""

    def turn(self) -> float: ...

    def hand(self, accepted: Sequence[Due]) -> None: ...

    def ring(self) -> None: ...


class NoSender:
    """Whoever looks into the outbox finds what is accepted."""

    def turn(self) -> float:
        return 0.0

    def hand(self, accepted: Sequence[Due]) -> None:
        """Nobody asked for it."""

    def ring(self) -> None:
        """Nobody hears it."""


class Accepting:
    """Belongs to one event loop; `clock` gives epoch seconds."""

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
        self._sender = sender or NoSender()
        self.backlog = Backlog(database)
        self._gathering: Gathering[Order, Answer] = Gathering(self._group, MOST_AT_ONCE, REST)

    async def __call__(self, order: Order) -> Batch:
        """Raises OtherContent and TooMuch."""
        answer = await self._gathering(order)
        if isinstance(answer, Batch):
            return answer
        raise answer

    async def aclose(self) -> None:
        await self._gathering.aclose()
        await self.backlog.aclose()

    async def in_all(self) -> int:
        """Everybody's images that have not ended; to be asked ahead of a transaction, as nobody holds two
        connections."""
        return 0 if self._limits.images_in_all is None else await self.backlog.depth()

    async def _group(self, orders: Sequence[Order]) -> Sequence[Answer]:
        try:
            answers = await self._committed(orders)
        except DBAPIError as error:
            # Neither an outage nor a race, which have been translated: the database refuses one of them, and
            # only that one may suffer for it.
            if len(orders) == 1:
                return [error]
            return [answer for order in orders for answer in await self._group([order])]
        fresh = [answer for answer in answers if isinstance(answer, Batch) and answer.fresh]
        images = sum(batch.request.quantity for batch in fresh)
        self.backlog.grown(images)
        ACCEPTED.inc(images)
        GROUPS.observe(len(orders))
        return answers

    async def _committed(self, orders: Sequence[Order]) -> Sequence[Answer]:
        in_all = await self.in_all()
        now, turn = self._clock(), self._sender.turn()
        async with self._database.begin() as connection:
            # Users take turns first: who asks for the same batch at another replica waits here, before
            # anybody holds a row.
            usernames, batch_ids = zip(
                *((each.request.username, each.batch_id) for each in orders), strict=True
            )
            share, asked = await loads(connection, set(usernames), now, batch_ids)
            known = await _known(connection, asked)
            answers = _decided(orders, known, share, in_all, self._limits, now)
            accepted = {
                order.batch_id: order
                for order, answer in zip(orders, answers, strict=True)
                if isinstance(answer, Batch) and answer.fresh
            }
            if accepted:
                made = await keep(self._database, connection, list(accepted.values()), now, turn)
                answers = [_as_kept(answer, made) for answer in answers]
        self._send(list(accepted.values()), turn)
        return answers

    def _send(self, orders: Sequence[Order], turn: float) -> None:
        """What was kept with a turn is handed over, the rest is looked for."""
        accepted = [Due(str(order.request.id()), order.request, order.traceparent) for order in orders]
        if accepted and turn:
            self._sender.hand(accepted)
        elif accepted:
            self._sender.ring()


async def _known(connection: AsyncConnection, batch_ids: Collection[str]) -> dict[str, RowMapping]:
    if not batch_ids:
        return {}
    rows = (await connection.execute(_KNOWN, {"batch_ids": list(batch_ids)})).mappings()
    return {row["batch_id"]: row for row in rows}


def _decided(
    orders: Sequence[Order],
    known: Mapping[str, RowMapping],
    share: dict[str, Load],
    in_all: int,
    limits: Limits,
    now: float,
) -> list[Answer]:
    """Each in its turn; what is let in counts for those behind it."""
    answers: list[Answer] = []
    let_in: dict[str, Order] = {}
    for order in orders:
        username, first = order.request.username, let_in.get(order.batch_id)
        load = replace(share.get(username, Load(0)), in_all=in_all)
        if row := known.get(order.batch_id):
            answers.append(_again(order, to_batch(row), row["webhook"]))
        elif first:
            answers.append(_again(order, Batch(first.request, now), first.asked))
        elif too_much := excess(limits, load, order.request.quantity, now):
            answers.append(TooMuch(too_much))
        else:
            let_in[order.batch_id] = order
            share[username], in_all = (
                load.with_batch(order.request.quantity, now),
                in_all + order.request.quantity,
            )
            answers.append(Batch(order.request, now, fresh=True))
    return answers


def _again(order: Order, batch: Batch, asked: str | None) -> Answer:
    same = same_request(batch.request, order.request) and asked == order.asked
    return batch if same else OtherContent(order.batch_id)


def _as_kept(answer: Answer, made: Mapping[str, float]) -> Answer:
    """With the time at which it was really made. Of a batch of which events came before, more is known."""
    created_at = made.get(answer.request.batch_id) if isinstance(answer, Batch) else None
    if not isinstance(answer, Batch) or created_at is None or created_at == answer.created_at:
        return answer
    return replace(answer, created_at=created_at, fresh=False)
