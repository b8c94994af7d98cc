"""Rows written by whoever holds their lease, many in one transaction; and rows read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from services.uploader.adapters.deciding import CHANGED, OWN, OWN_LOCKED, Key, changed
from services.uploader.adapters.rows import row_of
from services.uploader.domain.rows import Row


@dataclass(frozen=True)
class Kept:
    """A row as it is to be, and the lease under which it may be written."""

    row: Row
    lease: str


async def keep_all(database: Database, wishes: Sequence[Kept], now: float, lease: float) -> list[bool]:
    """Which of them were written: those whose lease is still held. They are about different images."""
    async with database.begin() as connection:
        held = await rows_of(connection, [wish.row.key for wish in wishes], lock=True)
        mine = [_is_held(held.get(wish.row.key), wish.lease) for wish in wishes]
        # A lease was renewed in the table meanwhile; the row in hand does not know.
        rows = [
            wish.row if wish.row.lease is None else replace(wish.row, lease_until=now + lease)
            for wish, is_mine in zip(wishes, mine, strict=True)
            if is_mine
        ]
        if rows:
            await connection.execute(CHANGED, [changed(row, now) for row in rows])
    return mine


async def rows_of(
    connection: AsyncConnection, keys: Collection[Key], *, lock: bool = False
) -> dict[Key, Row]:
    """What is known of these images, without those that are not known at all."""
    asked = OWN_LOCKED if lock else OWN
    lines = (await connection.execute(asked, {"keys": list(keys)})).mappings()
    return {row.key: row for row in map(row_of, lines)}


def _is_held(known: Row | None, lease: str) -> bool:
    return known is not None and known.lease == lease
