"""Opening a database: what can be waited for is waited for, what can't is said at once."""

import asyncio
from collections.abc import Sized
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from structlog.testing import capture_logs

from chassis import database as module
from chassis.settings import BadSettings
from tests.chassis.databases import count, execute, numbers, opened, until, write
from tests.nodes.postgres import OwnPostgres


async def refusal(url: str, tmp_path: Path) -> str:
    """Why the database can't be opened, said within a moment."""
    with pytest.raises(BadSettings) as caught:
        async with asyncio.timeout(10), opened(url, tmp_path):
            pass
    assert "DATABASE_URL" in str(caught.value)
    return str(caught.value)


def changed(url: str, **parts: str) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)  # type: ignore[arg-type]


async def test_a_wrong_password_is_said_at_once_and_not_shown(postgres_url: str, tmp_path: Path) -> None:
    said = await refusal(changed(postgres_url, password="not-the-one"), tmp_path)
    assert "password is wrong" in said
    assert "not-the-one" not in said
    assert "darkroom@127.0.0.1" in said


async def test_a_missing_database_is_said_at_once(postgres_url: str, tmp_path: Path) -> None:
    assert "no database of this name" in await refusal(changed(postgres_url, database="other"), tmp_path)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("secret-words", "not a database's URL"),
        ("postgresql+asyncpg://u:secret-words@h:port/x", "not a database's URL"),
        ("postgresql://u:secret-words@h/x", "begins with postgresql:"),
        ("mysql://u:secret-words@h/x", "begins with mysql:"),
        ("sqlite+aiosqlite://", "names no file"),
        ("sqlite+aiosqlite:///:memory:", "names no file"),
    ],
)
async def test_a_url_of_another_kind_is_said_with_those_that_are_known(
    url: str, word: str, tmp_path: Path
) -> None:
    said = await refusal(url, tmp_path)
    assert word in said
    assert "sqlite+aiosqlite:///file" in said
    assert "secret-words" not in said


async def test_a_sqlite_file_that_cannot_be_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("no database, but a text that is long enough to be taken for one" * 20)
    base = f"sqlite+aiosqlite:///{tmp_path}"
    assert "not a SQLite database" in await refusal(f"{base}/words", tmp_path)
    assert "can't be opened or made" in await refusal(f"{base}/words/shop.db", tmp_path)
    assert "can't be opened or made" in await refusal(base, tmp_path)


async def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    async with opened(f"sqlite+aiosqlite:///{tmp_path}/a/b/shop.db", tmp_path) as database:
        assert await numbers(database) == []


async def test_tables_of_other_code_are_said_at_once(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as database:
        await execute(database, "UPDATE alembic_version SET version_num = 'fork'")
    assert "other code" in await refusal(database_url, tmp_path)


async def test_a_server_that_comes_up_later_is_waited_for_in_the_log(
    own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    await own_postgres.stop()
    with capture_logs() as lines:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_use(own_postgres.url, tmp_path))
            await until(lambda: _at_least(1, lines))
            await own_postgres.start()
    assert {line["event"] for line in lines} == {"waits for the database"}
    assert lines[0]["url"].startswith("postgresql+asyncpg://darkroom@127.0.0.1:")
    assert own_postgres.server.password not in str(lines)


async def _at_least(number: int, lines: Sized) -> bool:
    return len(lines) >= number


async def _use(url: str, tmp_path: Path) -> None:
    async with opened(url, tmp_path) as database:
        await write(database, 1)
        assert await count(database) == 1


async def test_a_host_that_is_not_known_yet_is_waited_for(tmp_path: Path) -> None:
    with capture_logs() as lines:
        task = asyncio.create_task(_use("postgresql+asyncpg://u:p@darkroom.invalid/x", tmp_path))
        await until(lambda: _at_least(1, lines))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert lines[0]["log_level"] == "warning"


async def test_the_waits_grow_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.04)
    with capture_logs() as lines:
        task = asyncio.create_task(_use("postgresql+asyncpg://u:p@127.0.0.1:1/x", tmp_path))
        await until(lambda: _at_least(5, lines))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [line["seconds"] for line in lines[:5]] == [0.01, 0.02, 0.04, 0.04, 0.04]
