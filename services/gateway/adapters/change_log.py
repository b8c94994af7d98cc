"""The event log: what changed, in the order of the commits."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.adapters.tables import CHANGES

# PostgreSQL hands out ids before it commits them; without taking turns a reader could see 8 before 7 and
# never look for 7 again. Taken last in a transaction, so that it is held for the commit alone.
_TURN = text("SELECT pg_advisory_xact_lock(hashtext('darkroom.gateway.changes'))")

#: Batch, kind and body.
Entry = tuple[str, str, Mapping[str, Any]]


async def append(
    connection: AsyncConnection, batch_id: str, kind: str, body: Mapping[str, Any] | None = None
) -> None:
    """Call it as the last statement of a transaction."""
    await append_all(connection, [(batch_id, kind, body or {})])


async def append_all(connection: AsyncConnection, changes: Sequence[Entry]) -> None:
    """Call it as the last statement of a transaction."""
    if not changes:
        return
    if connection.dialect.name == "postgresql":
        await connection.execute(_TURN)
    at = time.time()
    rows = [
        {"batch_id": batch_id, "kind": kind, "body": json.dumps(dict(body)), "at": at}
        for batch_id, kind, body in changes
    ]
    await connection.execute(insert(CHANGES), rows)
