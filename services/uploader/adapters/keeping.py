"""Rows written by whoever holds their leases: one statement, and nothing is read before."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from chassis.database import Database
from services.uploader.adapters.looking import Key
from services.uploader.adapters.rows import columns
from services.uploader.adapters.tables import ASSETS
from services.uploader.domain.rows import Row


@dataclass(frozen=True)
class Kept:
    """A row as it is to be, and the lease under which it may be written."""

    row: Row
    lease: str

    @property
    def key(self) -> Key:
        return self.row.key

    def renewed(self, until: float) -> Row:
        """The row with its lease, if it goes on, until then: it was renewed in the table meanwhile, which the
        row in hand does not know."""
        return self.row if self.row.lease is None else replace(self.row, lease_until=until)


_POSTGRESQL: Any = postgresql.dialect().type_compiler_instance  # type: ignore[no-untyped-call]
_SET = ", ".join(f'"{column.name}" = kept."{column.name}"' for column in ASSETS.c if not column.primary_key)
_THEIRS = "assets.batch_id = kept.batch_id AND assets.ordinal = kept.ordinal AND assets.lease = kept.held"
_TYPED = ", ".join(f'"{column.name}" {_POSTGRESQL.process(column.type)}' for column in ASSETS.c)
_TAKEN_OUT = ", ".join(f"value ->> '{column.name}' AS \"{column.name}\"" for column in ASSETS.c)

# Locked in order, so that nobody who writes some of the same rows or renews their leases waits in a ring; and
# where one had to be waited for, its lease counts as it is then.
_ON_POSTGRESQL = text(
    f"""
    WITH kept AS MATERIALIZED (
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS told ({_TYPED}, held VARCHAR)
    ), locked AS MATERIALIZED (
        SELECT assets.batch_id, assets.ordinal FROM assets JOIN kept ON {_THEIRS}
        ORDER BY assets.batch_id, assets.ordinal FOR UPDATE OF assets
    )
    UPDATE assets SET {_SET} FROM kept JOIN locked USING (batch_id, ordinal)
    WHERE {_THEIRS} RETURNING assets.batch_id, assets.ordinal
    """  # noqa: S608 - names of our own columns
)
_ON_SQLITE = text(
    f"""
    UPDATE assets SET {_SET}
    FROM (SELECT {_TAKEN_OUT}, value ->> 'held' AS held FROM json_each(:rows)) AS kept
    WHERE {_THEIRS} RETURNING batch_id, ordinal
    """  # noqa: S608 - as above
)


async def keep_all(database: Database, kept: Sequence[Kept], now: float, lease: float) -> list[bool]:
    """Of each, in their order, whether its lease was held. No two may be of the same image."""
    told = [{**columns(one.renewed(now + lease), now), "held": one.lease} for one in kept]
    rows = json.dumps(told, ensure_ascii=False)
    statement = _ON_POSTGRESQL if database.is_postgresql else _ON_SQLITE
    async with database.alone() as connection:
        written = {tuple(key) for key in await connection.execute(statement, {"rows": rows})}
    return [one.key in written for one in kept]
