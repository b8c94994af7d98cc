"""Migrations: once each, by whoever comes first, in the service's own schema, without noise."""

import asyncio
import logging
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from chassis.database import Database, open_database
from chassis.settings import BadSettings
from tests.chassis.databases import (
    FIRST,
    SERVICE,
    count,
    execute,
    migrations,
    numbers,
    opened,
    said,
    start,
    write,
)

ADD = 'op.add_column("notes", sa.Column("more", sa.Text))'


async def tables(database: Database) -> set[str]:
    schema = SERVICE if database.is_postgresql else None
    async with database.begin() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names(schema)))


async def versions(database: Database) -> list[str]:
    async with database.read() as connection:
        return list((await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars())


async def test_an_empty_database_gets_every_table_and_the_version(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as database:
        assert await tables(database) == {"notes", "alembic_version"}
        assert await versions(database) == ["0001"]


async def test_what_is_there_is_kept_and_only_what_is_missing_runs(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as database:
        await write(database, 1)
    folder = migrations(tmp_path / "migrations", FIRST, ADD)
    for _ in range(2):
        async with open_database(database_url, SERVICE, folder) as database:
            assert await versions(database) == ["0002"]
            assert await numbers(database) == [1]


async def test_tables_of_a_newer_release_are_used_as_they_are(database_url: str, tmp_path: Path) -> None:
    async with open_database(database_url, SERVICE, migrations(tmp_path / "newer", FIRST, ADD)) as newer:
        async with opened(database_url, tmp_path) as database:
            await write(database, 1)
            assert await versions(database) == ["0002"]
        assert await numbers(newer) == [1]


async def test_a_revision_that_fails_leaves_nothing_behind(database_url: str, tmp_path: Path) -> None:
    broken = migrations(tmp_path / "broken", FIRST, 'op.execute("SELECT nowhere")')
    with pytest.raises(DBAPIError, match="nowhere"):
        async with open_database(database_url, SERVICE, broken):
            pass
    async with opened(database_url, tmp_path) as database:
        assert await count(database) == 0


async def test_services_of_one_process_may_start_at_once(database_url: str, tmp_path: Path) -> None:
    async def begin(number: int) -> list[str]:
        # Files of their own in SQLite, schemas of their own in PostgreSQL: no lock is common to them.
        url = database_url.replace("shop.db", f"{number}.db")
        folder = migrations(
            tmp_path / f"{number}", FIRST, *[ADD.replace("more", "other")] * (number % 2), ADD
        )
        async with open_database(url, f"service{number}", folder) as database:
            return await versions(database)

    wanted = [[f"000{2 + number % 2}"] for number in range(6)]
    assert await asyncio.gather(*(begin(number) for number in range(6))) == wanted


async def test_replicas_may_start_at_once(database_url: str, tmp_path: Path) -> None:
    migrations(tmp_path / "migrations", FIRST)
    replicas = [
        await start("writer", database_url, str(tmp_path), str(number * 10), "2", "end")
        for number in range(4)
    ]
    for replica in replicas:
        await said(replica, "committed")
        assert await replica.wait() == 0
    async with opened(database_url, tmp_path) as database:
        assert await versions(database) == ["0001"]
        assert await count(database) == 8


async def test_each_service_has_a_schema_and_a_version_table_of_its_own(
    postgres_url: str, tmp_path: Path
) -> None:
    folder = migrations(tmp_path / "migrations", FIRST)
    wanted = (
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('shop', 'bank', 'public')"
    )
    async with (
        open_database(postgres_url, "bank", folder),
        open_database(postgres_url, "shop", folder) as shop,
        shop.read() as connection,
    ):
        found = set((await connection.execute(text(wanted))).scalars())
    assert found == {"shop.notes", "shop.alembic_version", "bank.notes", "bank.alembic_version"}


async def test_a_schema_that_was_prepared_needs_no_right_to_make_one(
    postgres_url: str, tmp_path: Path
) -> None:
    # Roles belong to the whole server, which this test shares with others and with other runs of itself.
    clerk = f"clerk_{uuid4().hex[:8]}"
    async with opened(postgres_url, tmp_path) as admin:
        await execute(
            admin,
            f"CREATE ROLE {clerk} LOGIN PASSWORD 'clerk'",
            f"CREATE SCHEMA bank AUTHORIZATION {clerk}",
        )
        await _use_as(clerk, postgres_url, tmp_path)
        await execute(admin, f"DROP OWNED BY {clerk}", f"DROP ROLE {clerk}")


async def _use_as(clerk: str, postgres_url: str, tmp_path: Path) -> None:
    folder = migrations(tmp_path / "migrations", FIRST)
    login, _, place = postgres_url.partition("@")
    url = f"{login.partition('//')[0]}//{clerk}:clerk@{place}"
    async with open_database(url, "bank", folder) as database:
        await write(database, 1)
    with pytest.raises(BadSettings, match="grant CREATE"):
        async with open_database(url, "vault", folder):
            pass


async def test_a_folder_with_a_percent_sign_is_found(sqlite_url: str, tmp_path: Path) -> None:
    async with open_database(sqlite_url, SERVICE, migrations(tmp_path / "100%(x)s", FIRST)) as database:
        assert await count(database) == 0


async def test_nothing_is_printed(
    database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with opened(database_url, tmp_path):
            pass
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []
