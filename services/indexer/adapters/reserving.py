"""The reserve rule in SQL: claim the batch ids, then bump each counter only by what was claimed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult, Table, bindparam, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from services.indexer.adapters.tables import CLAIMS, COUNTERS, RESERVATIONS
from services.indexer.domain import Reservation, Wish, allot

# One statement, so that a group costs one round trip however many folders and batches are in it, and is a
# transaction by itself: all of it is on disk when the answer comes, or nothing.
# Locks are taken in one order by everybody (batch ids, then folders, each sorted): `sums` needs every claim
# before it has its first row, so no counter is locked while a claim may still have to wait. Replicas whose
# groups overlap therefore wait for each other, and never in a circle.
RESERVE = text(
    """
    WITH wishes AS MATERIALIZED (
        SELECT * FROM unnest(
            CAST(:batch_ids AS text[]), CAST(:digests AS text[]), CAST(:folders AS text[]),
            CAST(:quantities AS integer[]), CAST(:paddings AS integer[])
        ) WITH ORDINALITY AS wish (batch_id, digest, folder, quantity, padding, place)
    ), claimed AS (
        INSERT INTO claims (batch_id)
        SELECT batch_id FROM wishes
        WHERE EXISTS (SELECT FROM counters WHERE counters.folder = wishes.folder)
        ORDER BY batch_id
        ON CONFLICT DO NOTHING
        RETURNING batch_id
    ), allotted AS MATERIALIZED (
        SELECT wishes.*, sum(quantity) OVER (PARTITION BY folder ORDER BY place) AS upto
        FROM wishes JOIN claimed USING (batch_id)
    ), sums AS MATERIALIZED (
        SELECT folder, sum(quantity) AS total FROM allotted GROUP BY folder
    ), locked AS MATERIALIZED (
        SELECT counters.folder, sums.total FROM counters JOIN sums ON sums.folder = counters.folder
        ORDER BY counters.folder FOR UPDATE OF counters
    ), bumped AS (
        UPDATE counters SET next_index = counters.next_index + locked.total
        FROM locked WHERE locked.folder = counters.folder
        RETURNING counters.folder, counters.next_index - locked.total AS base
    )
    INSERT INTO reservations (batch_id, digest, folder, first, quantity, next_index, padding, created_at)
    SELECT batch_id, digest, folder, base + upto - quantity, quantity, base + upto, padding,
        CAST(:now AS float8)
    FROM allotted JOIN bumped USING (folder)
    RETURNING batch_id, digest, folder, first, quantity, next_index, padding, created_at
    """
)

Blocks = dict[str, Reservation]

#: In the order of the fields of a block, which rows become without being asked by name.
_FIELDS = [RESERVATIONS.c[name] for name in Reservation.__dataclass_fields__]


async def reserve_on_postgresql(connection: AsyncConnection, wishes: Sequence[Wish], now: float) -> Blocks:
    """The block of each wish by batch id, new or stored; wishes whose folder has no counter have none. The
    batch ids must differ."""
    blocks = _blocks(await connection.execute(RESERVE, {**columns(wishes), "now": now}))
    # A statement of its own sees what another replica committed while the first one waited for it.
    missing = [wish.batch_id for wish in wishes if wish.batch_id not in blocks]
    return blocks | await stored(connection, missing)


async def reserve_on_sqlite(connection: AsyncConnection, wishes: Sequence[Wish], now: float) -> Blocks:
    """As on PostgreSQL; the transaction holds the file's only write lock, so nobody comes between."""
    folders = {wish.folder for wish in wishes}
    rows = await connection.execute(
        select(COUNTERS.c.folder, COUNTERS.c.next_index).where(COUNTERS.c.folder.in_(folders))
    )
    counters: Mapping[str, int] = {row.folder: row.next_index for row in rows}
    claimed = await _claim(connection, [wish.batch_id for wish in wishes if wish.folder in counters])
    blocks = allot((wish for wish in wishes if wish.batch_id in claimed), counters, now)
    if blocks:
        await connection.execute(RESERVATIONS.insert(), [vars(block) for block in blocks])
        ends = {block.folder: block.next_index for block in blocks}
        bump = (
            update(COUNTERS).where(COUNTERS.c.folder == bindparam("of")).values(next_index=bindparam("end"))
        )
        await connection.execute(bump, [{"of": folder, "end": end} for folder, end in ends.items()])
    new = {block.batch_id: block for block in blocks}
    return new | await stored(connection, [wish.batch_id for wish in wishes if wish.batch_id not in new])


async def stored(connection: AsyncConnection, batch_ids: Sequence[str]) -> Blocks:
    """The blocks of those of these batches that have one."""
    if not batch_ids:
        return {}
    asked = select(*_FIELDS).where(RESERVATIONS.c.batch_id.in_(batch_ids))
    return _blocks(await connection.execute(asked))


def insert_new(connection: AsyncConnection, table: Table) -> Any:
    """An INSERT that leaves rows with a known key as they are."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


async def _claim(connection: AsyncConnection, batch_ids: Sequence[str]) -> set[str]:
    if not batch_ids:
        return set()
    rows = [{"batch_id": batch_id} for batch_id in batch_ids]
    claim = insert_new(connection, CLAIMS).values(rows).returning(CLAIMS.c.batch_id)
    return set(await connection.scalars(claim))


def columns(wishes: Sequence[Wish]) -> dict[str, list[Any]]:
    return {
        "batch_ids": [wish.batch_id for wish in wishes],
        "digests": [wish.digest for wish in wishes],
        "folders": [wish.folder for wish in wishes],
        "quantities": [wish.quantity for wish in wishes],
        "paddings": [wish.padding for wish in wishes],
    }


def _blocks(rows: CursorResult[Any]) -> Blocks:
    blocks = map(_block, rows)
    return {block.batch_id: block for block in blocks}


def _block(values: Iterable[Any]) -> Reservation:
    return Reservation(*values)
