"""What the doctor finds at a database."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from chassis.database import open_database
from chassis.settings import BadSettings
from cli.accounts.databases import TABLES
from cli.doctor import database as module
from cli.doctor.database import CLOCK, CONNECTIONS, SERVER, database
from cli.doctor.finding import Finding
from tests.chassis.databases import execute


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("VAR_DIR", str(tmp_path))


@pytest.fixture
async def url(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the tables of every service."""
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    for service, folder in TABLES.items():
        async with open_database(postgres_url, service, folder):
            pass
    return postgres_url


async def found() -> dict[str, Finding]:
    return {each.subject: each for each in await database()}


async def at(url: str, service: str, revision: str) -> None:
    async with open_database(url, service, TABLES[service]) as opened:
        await execute(opened, f"UPDATE alembic_version SET version_num = '{revision}'")


async def test_a_database_as_it_should_be_is_told_with_version_room_and_time(url: str) -> None:
    seen = await found()
    assert {each.state for each in seen.values()} == {"ok"}
    assert list(seen) == [SERVER, CONNECTIONS, CLOCK, *TABLES]
    assert "PostgreSQL 1" in seen[SERVER].says
    assert str(make_url(url).password) not in repr(seen)
    assert "as this release wants them" in seen["gateway"].says


async def test_tables_that_are_behind_ahead_or_of_other_code_are_told_apart(url: str) -> None:
    for service, revision in (("gateway", "0001"), ("indexer", "9999"), ("renderer", "fork")):
        await at(url, service, revision)
    seen = await found()
    assert seen["gateway"].state == "warning"
    assert seen["gateway"].says.startswith("its tables are behind: of revision 0001")
    assert "`darkroom database migrate`" in seen["gateway"].advice
    assert seen["indexer"].state == "warning"
    assert seen["indexer"].says.startswith("its tables are ahead: of revision 9999")
    assert (seen["renderer"].state, "other code" in seen["renderer"].says) == ("wrong", True)
    assert seen["uploader"].state == "ok"


async def test_a_database_without_tables_is_a_warning_and_stays_without(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    for _ in range(2):
        seen = await found()
        assert {seen[service].says for service in TABLES} == {"has no tables yet"}


async def test_a_login_that_may_not_look_at_tables_says_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    role = f"guest_{make_url(url).database}"
    async with open_database(url, "gateway", TABLES["gateway"]) as opened:
        await execute(opened, f"CREATE ROLE {role} LOGIN PASSWORD 'guest'")
        try:
            guest = make_url(url).set(username=role, password="guest")
            monkeypatch.setenv("DATABASE_URL", guest.render_as_string(hide_password=False))
            seen = (await found())["gateway"]
        finally:
            await execute(opened, f"DROP ROLE {role}")
    assert (seen.state, seen.advice) == ("warning", "look with the service's own DATABASE_URL")


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({"password": "geheim"}, "user or password is wrong"),
        ({"database": "nowhere"}, "create it"),
        ({"port": 1}, "see that it runs"),
    ],
)
async def test_what_keeps_us_out_is_wrong_with_what_to_do_and_no_secret(
    changed: dict[str, str], advice: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = make_url(postgres_url).set(**changed)  # type: ignore[arg-type]
    monkeypatch.setenv("DATABASE_URL", wrong.render_as_string(hide_password=False))
    (seen,) = await database()
    assert (seen.subject, seen.state) == (SERVER, "wrong")
    assert advice in seen.advice
    assert "geheim" not in repr(seen)


@pytest.mark.parametrize(
    ("skew", "state", "word"), [(0.5, "ok", "ahead"), (-5, "warning", "behind"), (60, "wrong", "ahead")]
)
def test_a_clock_that_differs_is_told_by_how_much(skew: float, state: str, word: str) -> None:
    seen = module._clock(skew)
    assert (seen.state, word in seen.says) == (state, True)


async def test_a_server_that_is_full_or_old_is_a_warning(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEARLY", 0.0)
    monkeypatch.setattr(module, "OLDEST", 99)
    seen = await found()
    assert {seen[SERVER].state, seen[CONNECTIONS].state} == {"warning"}
    assert "max_connections" in seen[CONNECTIONS].advice


async def test_files_of_the_system_in_one_process_are_looked_at(tmp_path: Path) -> None:
    assert {each.state for each in await database()} == {"warning"}
    for service, folder in TABLES.items():
        async with open_database(f"sqlite+aiosqlite:///{tmp_path}/{service}.db", service, folder):
            pass
    assert {each.state for each in await database()} == {"ok"}


async def test_a_url_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://u:geheim@h/x")
    with pytest.raises(BadSettings) as why:
        await database()
    assert "geheim" not in str(why.value)
