"""Turns at a name that no row has yet: giving it to an image, or closing it for ever, happens one by one."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database

# Sorted, so that two who want several names never wait for each other in a ring.
_TURNS = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(name, 0))"
    " FROM (SELECT unnest(CAST(:names AS text[])) AS name ORDER BY 1) AS wanted"
)


async def lock_names(database: Database, connection: AsyncConnection, public_ids: Collection[str]) -> None:
    """Until the transaction ends. On SQLite every writing transaction is alone already."""
    if database.is_postgresql and public_ids:
        await connection.execute(_TURNS, {"names": list(public_ids)})
