"""A private PostgreSQL: the server as tests talk to it, and the node that runs it."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]

from tests.nodes.machine import LocalMachine, Machine, Owner, free_ports
from tests.nodes.node import Node
from tests.nodes.packages import NodeUnavailableError, postgres_programs
from tests.nodes.warden import Ward

READY_SECONDS = 30.0
USER = "darkroom"
# Plans made for empty tables are used until statistics are there, for which the server looks once a minute: a
# benchmark would be over before, or in the middle.
CONF = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
autovacuum_naptime = 5s
"""


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL."""

    port: int
    password: str

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    async def create_database(self) -> str:
        """A new, empty database's name."""
        database = f"test_{secrets.token_hex(6)}"
        await self._execute(f"CREATE DATABASE {database}")
        return database

    async def drop_database(self, database: str) -> None:
        """Also closes the connections to it."""
        await self._execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    async def answers(self) -> bool:
        try:
            connection = await self._connect()
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        await connection.close()
        return True

    async def _execute(self, statement: str) -> None:
        connection = await self._connect()
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            database="postgres",
            ssl=False,
        )


class OwnPostgres(Node):
    """A server for one test, with one empty database."""

    def __init__(self, server: Server, machine: Machine) -> None:
        super().__init__("PostgreSQL", machine, server.answers, READY_SECONDS)
        self.server = server

    @property
    def url(self) -> str:
        return self.server.url("postgres")


def local_postgres(folder: Path, owner: Owner) -> OwnPostgres:
    """A node in this folder that is not started yet."""
    programs = postgres_programs()
    password = secrets.token_hex(8)
    (port,) = free_ports(1)
    user = _ordinary_user()
    data = folder / "data"
    if user:
        shutil.chown(folder, user)
    _initdb(programs, folder, password, user)
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(f"{CONF}port = {port}\n")
    ward = Ward(
        [str(programs / "postgres"), "-D", str(data)], str(folder), owner.pid, str(owner.folder), user
    )
    machine = LocalMachine(ward, _environment(), signal.SIGINT)
    return OwnPostgres(Server(port, password), machine)


def _ordinary_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _initdb(programs: Path, folder: Path, password: str, user: str | None) -> None:
    secret = folder / "password"
    secret.write_text(password)
    command = [
        str(programs / "initdb"),
        "--no-sync",
        "--no-instructions",
        "-D",
        str(folder / "data"),
        "-U",
        USER,
    ]
    command += [
        "--pwfile",
        str(secret),
        "--auth",
        "scram-sha-256",
        "--encoding",
        "UTF8",
        "--locale",
        "C.UTF-8",
    ]
    group = pwd.getpwnam(user).pw_gid if user else None
    done = subprocess.run(
        command,
        check=False,
        user=user,
        group=group,
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise NodeUnavailableError(f"initdb failed:\n{done.stdout}{done.stderr}")


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
