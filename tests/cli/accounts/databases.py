"""A database with roles of a test's own, made with the commands that a deployment uses."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import asyncpg  # type: ignore[import-untyped]
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from typer.testing import CliRunner, Result

from cli.__main__ import app
from cli.accounts.databases import ServerSettings, apply_roles, migrate
from cli.accounts.passwords import DATABASE, ROLES
from cli.accounts.roles import verifier
from tests.nodes.node import run_apart
from tests.nodes.postgres import Server


@dataclass(frozen=True)
class Prepared:
    """Roles whose names begin with a word of the test's own; their passwords as the environment has them."""

    server: Server
    database: str
    prefix: str
    passwords: Mapping[str, str] = field(
        default_factory=lambda: {name: secrets.token_hex(8) for name in ROLES}
    )

    @property
    def admin(self) -> str:
        return self.server.url(self.database)

    def url(self, role: str) -> str:
        url = make_url(self.admin).set(username=self.prefix + role, password=self.passwords[role])
        return url.render_as_string(hide_password=False)

    def darkroom(self, *words: str, url: str) -> Result:
        """As it is typed."""
        known = {f"{DATABASE}_{name.upper()}": password for name, password in self.passwords.items()}
        command = ["database", *words, "--prefix", self.prefix]
        return CliRunner().invoke(app, command, env={**known, "DATABASE_URL": url})

    async def prepare(self) -> None:
        verifiers = {name: verifier(password) for name, password in self.passwords.items()}
        await apply_roles(ServerSettings(database_url=SecretStr(self.admin)), verifiers, self.prefix)
        await migrate(ServerSettings(database_url=SecretStr(self.url("owner"))), self.prefix)


@contextmanager
def prepared(server: Server) -> Iterator[Prepared]:
    database = run_apart(server.create_database())
    made = Prepared(server, database, f"t{secrets.token_hex(4)}_")
    try:
        run_apart(made.prepare())
        yield made
    finally:
        run_apart(server.drop_database(database))
        drop = ", ".join(f'"{made.prefix}{name}"' for name in ROLES)
        run_apart(executed(server.url("postgres"), f"DROP ROLE IF EXISTS {drop}"))


async def executed(url: str, *statements: str) -> list[asyncpg.Record]:
    """What the last one finds. Raises what the server says."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), ssl=False)
    try:
        for statement in statements:
            found: list[asyncpg.Record] = await connection.fetch(statement)
        return found
    finally:
        async with asyncio.timeout(10):
            await connection.close()
