"""What every change of a batch does inside its transaction: lock the batch, count, close."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from contracts.commands import RetryImages
from contracts.events import BatchFinished
from contracts.message import Message
from messaging.tracing import traceparent
from services.gateway.adapters.rows import to_batch, to_image
from services.gateway.adapters.tables import BATCHES, IMAGES, OUTBOX
from services.gateway.domain.batches import BatchStatus, finished, is_complete, refused
from services.gateway.domain.images import ENDED, ImageState
from services.gateway.domain.resend import answered


async def locked(database: Database, connection: AsyncConnection, batch_id: str, now: float) -> RowMapping:
    """The batch's row, made if it is new. Changes of one batch take turns from here to the commit, so that
    exactly one of them sees the last image end."""
    fresh = database.insert(BATCHES).values(batch_id=batch_id, created_at=now)
    await connection.execute(fresh.on_conflict_do_nothing())
    found = select(BATCHES).where(BATCHES.c.batch_id == batch_id).with_for_update()
    return (await connection.execute(found)).mappings().one()


async def images_of(connection: AsyncConnection, batch_id: str) -> list[ImageState]:
    query = select(IMAGES).where(IMAGES.c.batch_id == batch_id).order_by(IMAGES.c.ordinal)
    return [to_image(row) for row in (await connection.execute(query)).mappings()]


async def count_ended(connection: AsyncConnection, batch_id: str) -> int:
    query = select(func.count()).where(IMAGES.c.batch_id == batch_id, IMAGES.c.status.in_(ENDED))
    return int((await connection.execute(query)).scalar_one())


async def closed(
    connection: AsyncConnection, row: Mapping[Any, Any], ended: int, now: float, **changes: Any
) -> BatchFinished | None:
    """Writes the batch's row after an event; its end, where every image has ended. That, and a refusal,
    answers every command about it."""
    batch_id, row = row["batch_id"], {**row, **changes}
    end = await _end(connection, row, ended)
    over = end is not None or _is_refused(row)
    changes |= {
        "ended": ended,
        "finished_at": (row["finished_at"] or now) if over else None,
        "outcome": (end.status if end else BatchStatus.FAILED.value) if over else None,
        "last_event_at": now,
    }
    await connection.execute(update(BATCHES).where(BATCHES.c.batch_id == batch_id).values(**changes))
    if over:
        await connection.execute(delete(OUTBOX).where(in_turn(OUTBOX.c.batch_id == batch_id)))
    return end


async def _end(connection: AsyncConnection, row: Mapping[Any, Any], ended: int) -> BatchFinished | None:
    if is_complete(ended, row["quantity"]):
        return finished(to_batch(row), await images_of(connection, row["batch_id"]))
    # A refusal of what nobody asked for here has no owner to be told of.
    return refused(row["batch_id"], row["username"]) if _is_refused(row) and row["username"] else None


def _is_refused(row: Mapping[Any, Any]) -> bool:
    return row["rejected"] is not None and row["first"] is None


async def answer_retries(connection: AsyncConnection, batch_id: str) -> None:
    """Takes every `RetryImages` of which all images have ended out of the outbox."""
    ours = (OUTBOX.c.batch_id == batch_id) & (OUTBOX.c.route == RetryImages.route())
    retries = (await connection.execute(select(OUTBOX.c.id, OUTBOX.c.body).where(ours))).all()
    if not retries:
        return
    open_ = select(IMAGES.c.ordinal).where(IMAGES.c.batch_id == batch_id, IMAGES.c.status.not_in(ENDED))
    waiting = set((await connection.execute(open_)).scalars())
    done = [key for key, body in retries if answered(RetryImages.decode(body.encode()), waiting)]
    if done:
        await connection.execute(delete(OUTBOX).where(in_turn(OUTBOX.c.id.in_(done))))


def in_turn(wanted: ColumnElement[bool]) -> ColumnElement[bool]:
    """The same rows of the outbox, locked in the order of their ids: whoever sends them and whoever takes
    them out can then wait for each other, but never both at once."""
    return OUTBOX.c.id.in_(select(OUTBOX.c.id).where(wanted).order_by(OUTBOX.c.id).with_for_update())


async def enqueue(
    database: Database,
    connection: AsyncConnection,
    messages: Sequence[Message],
    now: float,
    traces: Sequence[str | None] = (),
) -> None:
    """Puts commands into the outbox; one that is there already stays as it is. `traces` say where each was
    asked for, in their order, where that was elsewhere."""
    here = traceparent()
    rows = [
        {
            "id": str(message.id()),
            "route": message.route(),
            "body": message.encode().decode(),
            "batch_id": getattr(message, "batch_id", None),
            "created_at": now,
            "next_at": now,
            "traceparent": trace,
        }
        for message, trace in zip(messages, traces or [here] * len(messages), strict=True)
    ]
    if rows:
        await connection.execute(database.insert(OUTBOX).on_conflict_do_nothing(), rows)
