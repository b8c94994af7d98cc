"""The start of a gateway whose database does not stay."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from chassis.database import Database
from tests.services.gateway.databases import stuck
from tests.services.gateway.http.door import opened

_END_WAITING = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.mark.parametrize("table", ["outbox", "changes"])
async def test_a_database_that_goes_away_during_the_start_is_waited_for(
    table: str, postgres: Database, postgres_url: str, tmp_path: Path
) -> None:
    """Its tables are there by then, so this is not the wait for a database that comes later."""
    let_go = asyncio.Event()

    async def start() -> int:
        async with opened(tmp_path, DATABASE_URL=postgres_url) as door:
            return (await door.areg.get("/v1/characters")).status_code

    async def cut() -> None:
        async with postgres.begin() as connection:
            await connection.execute(text(f"LOCK TABLE {table}"))
            starting.set()
            await stuck(postgres, 1)
            async with postgres.read() as other:
                await other.execute(_END_WAITING)
            await let_go.wait()

    starting = asyncio.Event()
    with capture_logs() as lines:
        cutting = asyncio.create_task(cut())
        await starting.wait()
        opening = asyncio.create_task(start())
        async with asyncio.timeout(30):
            while not any(line["event"] == "waits for the database" for line in lines):
                assert not opening.done(), "it has given up"
                await asyncio.sleep(0.01)
        let_go.set()
        assert await opening == 200
        await cutting
