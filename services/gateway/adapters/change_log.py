"""The event log: what changed, in the order of the commits."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.adapters.tables import CHANGES

# PostgreSQL hands out ids before it commits them; without taking turns a reader could see 8 before 7 and
# never look for 7 again. Taken last in a transaction, so that it is held for the commit alone. One statement:
# no line is put in, and so no id drawn, before the join with the turn has its first row.
_IN_TURN = text(
    """
    WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtext('darkroom.gateway.changes')))
    INSERT INTO changes (batch_id, kind, body, at)
    SELECT line.batch_id, line.kind, line.body, CAST(:at AS float8)
    FROM turn, unnest(CAST(:batch_ids AS text[]), CAST(:kinds AS text[]), CAST(:bodies AS text[]))
        WITH ORDINALITY AS line (batch_id, kind, body, place)
    ORDER BY line.place
    """
)

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
    columns: dict[str, Any] = {
        "batch_ids": [batch_id for batch_id, _, _ in changes],
        "kinds": [kind for _, kind, _ in changes],
        "bodies": [json.dumps(dict(body)) for _, _, body in changes],
    }
    at = time.time()
    if connection.dialect.name == "postgresql":
        await connection.execute(_IN_TURN, {**columns, "at": at})
        return
    lines = zip(*columns.values(), strict=True)
    rows = [{"batch_id": batch_id, "kind": kind, "body": body, "at": at} for batch_id, kind, body in lines]
    await connection.execute(insert(CHANGES), rows)
