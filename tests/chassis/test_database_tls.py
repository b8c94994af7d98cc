"""`sslmode=verify-full` with real certificates: the right authority and name open it, all else is said."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from chassis.database import open_database
from chassis.settings import BadSettings
from tests.chassis.databases import FIRST, SERVICE, migrations
from tests.nodes.authority import Authority
from tests.nodes.machine import Owner
from tests.nodes.node import run_apart
from tests.nodes.postgres import local_postgres
from tests.nodes.shared import Run

CONF = """
ssl = on
ssl_cert_file = '{certificate}'
ssl_key_file = '{key}'
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def url(nodes_run: Run, authority: Authority) -> Iterator[str]:
    """Of a server with a certificate for `localhost`."""
    folder = nodes_run.node_folder("tls-postgres")
    node = local_postgres(folder, Owner(os.getpid(), folder))
    data, issued = folder / "data", authority.issue("localhost")
    for name, file in (("server.pem", issued.certificate), ("server.key", issued.key)):
        shutil.copy(file, data / name)
        os.chown(data / name, data.stat().st_uid, data.stat().st_gid)
        (data / name).chmod(0o600)
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(CONF.format(certificate=data / "server.pem", key=data / "server.key"))
    try:
        run_apart(node.start())
        yield node.url.replace("@127.0.0.1", "@localhost")
    finally:
        run_apart(node.remove())


async def encrypted(url: str, folder: Path) -> bool:
    """Whether the server says so of our connection."""
    asked = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    async with (
        open_database(url, SERVICE, migrations(folder, FIRST)) as database,
        database.read() as connection,
    ):
        return bool((await connection.execute(asked)).scalar())


async def refusal(url: str, folder: Path) -> str:
    with pytest.raises(BadSettings) as said:
        await encrypted(url, folder)
    assert str(make_url(url).password) not in str(said.value)
    return str(said.value)


async def test_the_database_is_used_over_tls_where_the_authority_is_known(
    url: str, authority: Authority, tmp_path: Path
) -> None:
    assert await encrypted(f"{url}?sslmode=verify-full&sslrootcert={authority.file}", tmp_path)
    assert not await encrypted(f"{url}?sslmode=disable", tmp_path)


async def test_who_names_an_authority_has_it_asked(url: str, authority: Authority, tmp_path: Path) -> None:
    assert await encrypted(f"{url}?sslrootcert={authority.file}", tmp_path)
    other = Authority(tmp_path / "other")
    assert "not to be trusted" in await refusal(f"{url}?sslrootcert={other.file}", tmp_path)


async def test_a_server_of_another_authority_is_refused(url: str, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    for root in ("", f"&sslrootcert={other.file}"):
        said = await refusal(f"{url}?sslmode=verify-full{root}", tmp_path)
        assert "the server's certificate is not to be trusted" in said
        assert "sslrootcert=" in said


async def test_a_server_of_another_name_is_refused_unless_only_its_authority_is_asked(
    url: str, authority: Authority, tmp_path: Path
) -> None:
    elsewhere = url.replace("@localhost", "@127.0.0.1")
    said = await refusal(f"{elsewhere}?sslmode=verify-full&sslrootcert={authority.file}", tmp_path)
    assert "by a name that its certificate bears" in said
    assert "mismatch" in said
    assert await encrypted(f"{elsewhere}?sslmode=verify-ca&sslrootcert={authority.file}", tmp_path)


async def test_require_encrypts_and_asks_nobody(url: str, tmp_path: Path) -> None:
    assert await encrypted(f"{url}?sslmode=require", tmp_path)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("sslmode=verify", "sslmode=verify is not known; set verify-full, of"),
        ("sslmode=prefer&sslrootcert=system", "asks no authority"),
        ("sslmode=verify-full&sslrootcert=/nowhere/at.all", "sslrootcert=/nowhere/at.all can't be read"),
        ("sslmode=disable&sslmode=require", "twice"),
    ],
)
async def test_words_that_make_no_sense_are_said(query: str, word: str, tmp_path: Path) -> None:
    said = await refusal(f"postgresql+asyncpg://user:secret-words@127.0.0.1:1/x?{query}", tmp_path)
    assert word in said
