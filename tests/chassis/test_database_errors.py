"""A database that is down, full, frozen or busy is an outage, and one that comes back is used again."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import InternalError

from chassis import database_engines
from chassis.database import Database
from chassis.database_errors import translated
from messaging.errors import Outage, TemporaryError
from tests.chassis.databases import count, execute, opened, write
from tests.nodes.postgres import OwnPostgres


@pytest.fixture
async def sqlite(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    async with opened(sqlite_url, tmp_path) as there:
        yield there


async def test_a_killed_server_is_an_outage_until_it_is_back(
    own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    async with opened(own_postgres.url, tmp_path) as database:
        await write(database, 1)
        await own_postgres.kill()
        with pytest.raises(Outage, match="database: "):
            await write(database, 2)
        with pytest.raises(Outage):
            await count(database)
        assert await database.trouble() is not None
        await own_postgres.start()
        await write(database, 3)
        assert await count(database) == 2
        assert await database.trouble() is None


def test_a_driver_that_was_told_farewell_before_it_asked_anything_has_met_an_outage() -> None:
    """A server that ends just when somebody has connected: the driver says that another operation is in
    progress, and nothing of a connection that is lost."""
    words = "cannot switch to state 11; another operation (2) is in progress"
    told = AsyncAdapt_asyncpg_dbapi.InternalClientError(words)  # type: ignore[no-untyped-call]
    told.__cause__ = asyncpg.InternalClientError(words)
    with pytest.raises(Outage, match="another operation"), translated():
        raise InternalError("show transaction isolation level", None, told)
    another = AsyncAdapt_asyncpg_dbapi.InternalError("something else")  # type: ignore[no-untyped-call]
    with pytest.raises(InternalError), translated():
        raise InternalError("SELECT 1", None, another)


async def _write_around(database: Database, trouble: Coroutine[Any, Any, None]) -> None:
    async with database.begin() as connection:
        await connection.execute(text("INSERT INTO notes (id) VALUES (11)"))
        await trouble
        await connection.execute(text("INSERT INTO notes (id) VALUES (12)"))


async def test_a_server_killed_in_mid_transaction_is_an_outage(
    own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    async with opened(own_postgres.url, tmp_path) as database:
        with pytest.raises(Outage):
            await _write_around(database, own_postgres.kill())
        await own_postgres.start()
        assert await count(database) == 0


async def test_a_frozen_server_is_an_outage_after_a_while(
    own_postgres: OwnPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_engines, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(database_engines, "STATEMENT_SECONDS", 0.5)
    async with opened(own_postgres.url, tmp_path, pool=2) as database:
        await write(database, 1)
        own_postgres.pause()
        try:
            async with asyncio.timeout(15):
                with pytest.raises(Outage):
                    await write(database, 2)
        finally:
            own_postgres.resume()
        await write(database, 3)


async def test_connections_ended_by_an_operator_are_replaced(postgres_url: str, tmp_path: Path) -> None:
    async with opened(postgres_url, tmp_path) as database:
        async with opened(postgres_url, tmp_path) as operator:
            others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            with pytest.raises(Outage):
                await _write_around(database, execute(operator, f"SELECT pg_terminate_backend(pid) {others}"))
        await write(database, 1)


async def test_a_statement_cancelled_by_an_operator_is_tried_again(postgres_url: str, tmp_path: Path) -> None:
    async with opened(postgres_url, tmp_path) as database:
        with pytest.raises(TemporaryError):
            await execute(database, "SET LOCAL statement_timeout = 50", "SELECT pg_sleep(20)")
        await write(database, 1)


async def test_a_server_that_only_reads_is_an_outage(postgres_url: str, tmp_path: Path) -> None:
    async with opened(postgres_url, tmp_path) as database:
        with pytest.raises(Outage, match="read-only"):
            await execute(database, "SET TRANSACTION READ ONLY", "INSERT INTO notes (id) VALUES (1)")


async def test_waiting_for_a_connection_ends_as_an_outage(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_engines, "POOL_SECONDS", 0.2)
    async with opened(database_url, tmp_path, pool=4) as database:
        async with database.read(), database.read(), database.read(), database.read():
            with pytest.raises(Outage, match="in use"):
                await count(database)
            assert await database.trouble() == "database: every connection is in use"
        assert await database.trouble() is None


async def test_a_writer_that_never_ends_is_an_outage_for_the_others(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_engines, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr("chassis.database.LOCK_SECONDS", 0.2)
    async with (
        opened(sqlite_url, tmp_path) as database,
        opened(sqlite_url, tmp_path) as neighbour,
    ):
        async with database.begin() as connection:
            await connection.execute(text("SELECT 1"))
            with pytest.raises(Outage, match="another writer"):
                await write(database, 1)
            with pytest.raises(Outage, match="locked"):
                await write(neighbour, 1)
        await write(database, 2)
        await write(neighbour, 3)
        assert await count(database) == 2


async def test_a_full_disk_is_an_outage(sqlite: Database) -> None:
    large = f"INSERT INTO notes VALUES (1, '{'x' * 100_000}')"
    with pytest.raises(Outage, match="full"):
        await execute(sqlite, "PRAGMA max_page_count = 1", large)
    await execute(sqlite, "PRAGMA max_page_count = 1000000")
    await write(sqlite, 2)
    assert await count(sqlite) == 1


async def test_a_file_that_only_reads_is_an_outage(sqlite: Database) -> None:
    with pytest.raises(Outage, match="readonly"):
        await execute(sqlite, "PRAGMA query_only = 1", "INSERT INTO notes (id) VALUES (1)")
