"""What every change of a batch does inside its transaction: lock the batch, count, close."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, RowMapping, bindparam, delete, func, select, text, update
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

# Put together once, as what every event asks.
_FOUND = select(BATCHES).where(BATCHES.c.batch_id.in_(bindparam("batch_ids", expanding=True)))
# All batches first and the assets then, both sorted, so that two transactions that want the same never wait
# for each other in a ring. Where a batch is not there yet, no asset is locked: its row has to come first.
_LOCKED = text(
    """
    WITH held AS MATERIALIZED (
        SELECT * FROM batches WHERE batch_id = ANY(CAST(:batch_ids AS text[])) ORDER BY batch_id FOR UPDATE
    ), turns AS MATERIALIZED (
        SELECT pg_advisory_xact_lock(turn) FROM (
            SELECT DISTINCT hashtext(public_id) AS turn
            FROM unnest(CAST(:public_ids AS text[])) AS public_id ORDER BY turn
        ) AS sorted
        WHERE (SELECT count(*) FROM held) = cardinality(CAST(:batch_ids AS text[]))
    )
    SELECT held.* FROM (SELECT count(*) FROM turns) AS taken LEFT JOIN held ON true
    """
)
_CLOSED = update(BATCHES).where(BATCHES.c.batch_id == bindparam("closed_id"))


class Closing(NamedTuple):
    """A batch after an event: its row before, how many of its images have ended, what else is new; and its
    images, if they have all ended."""

    row: Mapping[Any, Any]
    ended: int
    changes: Mapping[str, Any]
    images: Sequence[ImageState]


async def locked(database: Database, connection: AsyncConnection, batch_id: str, now: float) -> RowMapping:
    """As `locked_all`, of one."""
    return (await locked_all(database, connection, [batch_id], now))[batch_id]


async def locked_all(
    database: Database,
    connection: AsyncConnection,
    batch_ids: Collection[str],
    now: float,
    public_ids: Collection[str] = (),
) -> dict[str, RowMapping]:
    """The row of each batch, made if it is new. Changes of one batch take turns from here to the commit, so
    that exactly one of them sees the last image end. These assets are held, too."""
    found = await _found(connection, batch_ids, public_ids)
    if missing := sorted(set(batch_ids) - set(found)):
        rows = [{"batch_id": batch_id, "created_at": now} for batch_id in missing]
        await connection.execute(database.insert(BATCHES).on_conflict_do_nothing(), rows)
        found |= await _found(connection, missing, public_ids)
    return found


async def hold(connection: AsyncConnection, public_id: str) -> None:
    """Whoever stores an image and whoever deletes it take turns: one of them sees the other."""
    await _found(connection, (), [public_id])


async def _found(
    connection: AsyncConnection, batch_ids: Collection[str], public_ids: Collection[str]
) -> dict[str, RowMapping]:
    wanted = {"batch_ids": list(batch_ids)}
    # On SQLite a transaction holds all there is.
    if connection.dialect.name == "postgresql":
        found = await connection.execute(_LOCKED, {**wanted, "public_ids": list(public_ids)})
    else:
        found = await connection.execute(_FOUND, wanted)
    return {row["batch_id"]: row for row in found.mappings() if row["batch_id"] is not None}


async def images_of(connection: AsyncConnection, batch_id: str) -> list[ImageState]:
    query = select(IMAGES).where(IMAGES.c.batch_id == batch_id).order_by(IMAGES.c.ordinal)
    return [to_image(row) for row in (await connection.execute(query)).mappings()]


async def count_ended(connection: AsyncConnection, batch_id: str) -> int:
    query = select(func.count()).where(IMAGES.c.batch_id == batch_id, IMAGES.c.status.in_(ENDED))
    return int((await connection.execute(query)).scalar_one())


async def closed(
    connection: AsyncConnection, row: Mapping[Any, Any], ended: int, now: float, **changes: Any
) -> BatchFinished | None:
    """As `closed_all`, of one."""
    complete = is_complete(ended, {**row, **changes}["quantity"])
    images = await images_of(connection, row["batch_id"]) if complete else ()
    return (await closed_all(connection, [Closing(row, ended, changes, images)], now))[0]


async def closed_all(
    connection: AsyncConnection, closings: Sequence[Closing], now: float
) -> list[BatchFinished | None]:
    """Writes the rows of batches after events, all with changes of the same names; the end of each of which
    every image has ended. That, and a refusal, answers every command about it."""
    ends, written, over = [], [], []
    for before, ended, changes, images in closings:
        row = {**before, **changes}
        end = _end(row, ended, images)
        if is_over := end is not None or _is_refused(row):
            over.append(row["batch_id"])
        ends.append(end)
        written.append(
            {
                **changes,
                "closed_id": row["batch_id"],
                "ended": ended,
                "finished_at": (row["finished_at"] or now) if is_over else None,
                "outcome": (end.status if end else BatchStatus.FAILED.value) if is_over else None,
                "last_event_at": now,
            }
        )
    await connection.execute(_CLOSED, written)
    if over:
        await connection.execute(delete(OUTBOX).where(in_turn(OUTBOX.c.batch_id.in_(over))))
    return ends


def _end(row: Mapping[Any, Any], ended: int, images: Sequence[ImageState]) -> BatchFinished | None:
    if is_complete(ended, row["quantity"]):
        return finished(to_batch(row), images)
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
    turn: float = 0.0,
) -> None:
    """Puts commands into the outbox; one that is there already stays as it is. `traces` say where each was
    asked for, in their order, where that was elsewhere. For `turn` seconds nobody finds them due."""
    here = traceparent()
    rows = [
        {
            "id": str(message.id()),
            "route": message.route(),
            "body": message.encode().decode(),
            "batch_id": getattr(message, "batch_id", None),
            "created_at": now,
            "next_at": now + turn,
            "traceparent": trace,
        }
        for message, trace in zip(messages, traces or [here] * len(messages), strict=True)
    ]
    if rows:
        await connection.execute(database.insert(OUTBOX).on_conflict_do_nothing(), rows)
