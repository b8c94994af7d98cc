"""The roles of a real PostgreSQL: each has its own rows and nothing else."""

import secrets
from base64 import b64decode
from collections.abc import Iterator

import asyncpg  # type: ignore[import-untyped]
import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from chassis.database import open_database
from chassis.settings import BadSettings
from cli.accounts.databases import TABLES, ServerSettings, apply_roles, migrate, server, statements
from cli.accounts.passwords import ROLES
from cli.accounts.roles import SERVICES, verifier
from contracts.topology import READERS
from tests.cli.accounts.databases import Prepared, executed, prepared
from tests.deploy.manifests import query
from tests.nodes.postgres import Server

REFUSED = asyncpg.InsufficientPrivilegeError


def settings(url: str) -> ServerSettings:
    return ServerSettings(database_url=SecretStr(url))


@pytest.fixture(scope="module")
def known(postgres_node: Server) -> Iterator[Prepared]:
    with prepared(postgres_node) as known:
        yield known


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_reads_and_writes_every_table_of_its_own(known: Prepared, service: str) -> None:
    tables = await executed(
        known.url(service), f"SELECT tablename FROM pg_tables WHERE schemaname = '{service}'"
    )
    assert len(tables) > 1
    for (table,) in tables:
        place = f"{service}.{table}"
        await executed(known.url(service), f"SELECT * FROM {place} LIMIT 1")
        if table != "alembic_version":
            await executed(known.url(service), f"DELETE FROM {place} WHERE false")
            await executed(known.url(service), f"SELECT * FROM {place} FOR UPDATE")


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_makes_changes_and_drops_no_table(known: Prepared, service: str) -> None:
    (table, *_) = await executed(
        known.url("owner"), f"SELECT tablename FROM pg_tables WHERE schemaname = '{service}'"
    )
    place = f'{service}."{table[0]}"'
    for statement in (
        f"CREATE TABLE {service}.mine (number int)",
        "CREATE TABLE public.mine (number int)",
        "CREATE TEMPORARY TABLE mine (number int)",
        "CREATE SCHEMA mine",
        f"ALTER TABLE {place} ADD COLUMN mine int",
        f"DROP TABLE {place}",
        f"TRUNCATE {place}",
        f"UPDATE {service}.alembic_version SET version_num = 'mine'",
        "CREATE ROLE mine",
    ):
        with pytest.raises(REFUSED):
            await executed(known.url(service), statement)


@pytest.mark.parametrize("service", [*SERVICES, "monitor"])
async def test_nobody_looks_at_anothers_tables(known: Prepared, service: str) -> None:
    for other in SERVICES:
        if other != service:
            with pytest.raises(REFUSED):
                await executed(known.url(service), f"SELECT * FROM {other}.alembic_version")


async def test_the_monitor_counts_what_waits_and_sees_nothing_of_it(known: Prepared) -> None:
    """With the question that KEDA asks."""
    assert [tuple(row) for row in await executed(known.url("monitor"), query())] == [(0,)]
    for statement in ("SELECT * FROM renderer.jobs", "DELETE FROM renderer.jobs"):
        with pytest.raises(REFUSED):
            await executed(known.url("monitor"), statement)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_opens_tables_that_it_may_not_make(known: Prepared, service: str) -> None:
    async with open_database(known.url(service), service, TABLES[service]) as database:
        assert await database.trouble() is None


async def test_a_service_without_its_tables_is_told_who_makes_them(known: Prepared) -> None:
    with pytest.raises(BadSettings, match="darkroom database migrate"):
        async with open_database(known.url("indexer"), "renderer", TABLES["renderer"]):
            pass


async def test_tables_without_roles_are_said(known: Prepared) -> None:
    with pytest.raises(BadSettings, match="there is no role nobodys_gateway, nobodys_monitor"):
        await migrate(settings(known.url("owner")), "nobodys_")


async def test_who_may_make_no_roles_is_told(known: Prepared) -> None:
    verifiers = {name: verifier("x") for name in known.passwords}
    with pytest.raises(BadSettings, match="name a login that may make roles") as said:
        await apply_roles(settings(known.url("owner")), verifiers, known.prefix)
    assert "SCRAM" not in str(said.value)


async def test_no_superuser_is_needed(postgres_node: Server) -> None:
    """As with a database that somebody else runs: its owner may make roles, and is nothing more."""
    owner, database = f"t{secrets.token_hex(4)}", await postgres_node.create_database()
    made = Prepared(postgres_node, database, f"{owner}_")
    here, everywhere = postgres_node.url(database), postgres_node.url("postgres")
    try:
        await executed(
            here,
            f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD 'owner'",
            f"ALTER DATABASE {database} OWNER TO {owner}",
        )
        landlord = make_url(here).set(username=owner, password="owner")
        verifiers = {name: verifier(password) for name, password in made.passwords.items()}
        for _ in range(2):
            plain = landlord.render_as_string(hide_password=False)
            await apply_roles(settings(plain), verifiers, made.prefix)
        await executed(made.url("owner"), "CREATE SCHEMA indexer")
    finally:
        await postgres_node.drop_database(database)
        names = ", ".join([owner, *(f"{made.prefix}{name}" for name in ROLES)])
        await executed(everywhere, f"DROP ROLE IF EXISTS {names}")


def test_roles_and_tables_are_made_again_as_it_is_typed(known: Prepared) -> None:
    for words, url in (("roles", known.admin), ("migrate", known.url("owner"))):
        done = known.darkroom(words, url=url)
        assert done.exit_code == 0, done.output
        assert not any(password in done.output for password in known.passwords.values())


def test_printed_sql_holds_no_password(known: Prepared) -> None:
    printed = known.darkroom("roles", "--print", url=known.admin)
    assert printed.exit_code == 0
    assert not any(password in printed.stdout for password in known.passwords.values())
    assert printed.stdout.count("SCRAM-SHA-256$4096:") == len(known.passwords)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("sqlite+aiosqlite:///x.db", "only PostgreSQL has roles"),
        ("postgresql+asyncpg://secret-words@h", "names no database"),
    ],
)
def test_a_database_that_has_no_roles_is_said(monkeypatch: pytest.MonkeyPatch, url: str, word: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(BadSettings, match=word) as said:
        statements(server(), dict.fromkeys(ROLES, ""), "x")
    assert "secret-words" not in str(said.value)


def test_a_verifier_is_the_one_of_the_standard() -> None:
    """The example of RFC 7677."""
    salt = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    stored = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
    server = "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    assert verifier("pencil", salt) == f"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${stored}:{server}"


def test_there_is_a_role_for_every_service() -> None:
    assert set(SERVICES) == set(READERS)
