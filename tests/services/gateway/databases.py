"""The gateway's database, and what lies in its tables."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Table, delete, select, text

from chassis.database import Database, open_database
from contracts.message import Message
from services.gateway import adapters
from services.gateway.adapters.tables import CHANGES, OUTBOX
from services.gateway.adapters.webhooks.tables import METADATA

MIGRATIONS = Path(adapters.__file__).parent / "migrations"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database with connections of its own, as a replica has."""
    async with open_database(url, "gateway", MIGRATIONS) as database:
        yield database


async def rows(database: Database, table: Table) -> Sequence[Any]:
    async with database.read() as connection:
        return (await connection.execute(select(table).order_by(*table.primary_key))).all()


async def emptied(database: Database) -> None:
    async with database.begin() as connection:
        for table in METADATA.tables.values():
            await connection.execute(delete(table))


async def commands(database: Database) -> list[str]:
    """Names of the commands that wait for an answer, in the order of the alphabet."""
    return sorted(row.route.partition(".")[0] for row in await rows(database, OUTBOX))


async def changes(database: Database) -> list[tuple[str, str, dict[str, Any]]]:
    """The event log: batch, kind and body."""
    return [(row.batch_id, row.kind, json.loads(row.body)) for row in await rows(database, CHANGES)]


async def stuck(database: Database, many: int) -> None:
    """Returns when this many connections of a PostgreSQL database wait for a lock."""
    asked = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(20):
        while True:
            async with database.read() as connection:
                if (await connection.execute(asked)).scalar_one() >= many:
                    return
            await asyncio.sleep(0.01)


def ids(messages: Sequence[Message]) -> list[str]:
    return [str(message.id()) for message in messages]
