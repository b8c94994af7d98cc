"""`darkroom blobs` as it is typed, over either store and either database."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chassis.blobs import Blobs, open_blobs
from chassis.database import open_database
from chassis.settings import BadSettings
from cli import databases
from cli.leftovers import LeftoverSettings, drop, show
from messaging.errors import Outage
from services.uploader.adapters.sql_folders import SqlFolders
from services.uploader.adapters.sql_ledger import SqlLedger
from services.uploader.app import MIGRATIONS
from services.uploader.domain.claims import for_image
from tests.journeys.process import environment
from tests.s3.server import LOGIN, VARIABLES, S3Server
from tests.services.uploader.stage import picture, ready, reserved
from tests.source import ROOT


@dataclass(frozen=True)
class Desk:
    """Where a person looks at a store and its ledger."""

    known: dict[str, str]
    blobs: Blobs

    async def keys(self) -> set[str]:
        every = self.blobs.keys()
        return {key async for key, _ in every}


@pytest.fixture(params=["sqlite", "postgresql"])
async def desk(
    request: pytest.FixtureRequest, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """SQLite beside a folder, as embedded; PostgreSQL beside a bucket."""
    known = {"VAR_DIR": str(tmp_path)}
    blobs_url, database_url = f"file:{tmp_path}/blobs", f"sqlite+aiosqlite:///{tmp_path}/uploader.db"
    if request.param == "postgresql":
        blobs_url, database_url = s3.url(s3.new_bucket()), request.getfixturevalue("postgres_url")
        known = {"BLOBS_URL": blobs_url, "DATABASE_URL": database_url, **VARIABLES}
    for name in LeftoverSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    async with (
        open_database(database_url, "uploader", MIGRATIONS) as database,
        open_blobs(blobs_url, LOGIN) as blobs,
    ):
        await SqlFolders(database, lambda: 0.0).remember(reserved())
        heard = ready(picture(1))
        await SqlLedger(database, lambda: 0.0, at_once=1, lease=1.0).decide(heard, for_image)
        for message in (heard, ready(picture(2), batch_id="unheard-of", ordinal=3)):
            await blobs.put(message.blob_key, b"bytes")
        yield Desk(known, blobs)


async def shown(older_than: str) -> list[str]:
    lines: list[str] = []
    await show(older_than, lines.append)
    return lines


async def dropped(*keys: str, older_than: str = "", sure: bool = True) -> list[str]:
    lines: list[str] = []
    await drop(keys, older_than, lambda: sure, lines.append)
    return lines


async def test_what_waits_is_listed_with_what_is_known_of_it(desk: Desk) -> None:
    heard, unheard = sorted(await shown("0s"), key=lambda line: "unheard-of" in line)
    assert "b1/0/1-" in heard
    assert "Areg_opal-fever_image_7: not stored yet" in heard
    assert "unheard-of/3/1-" in unheard
    assert "never heard of this image" in unheard
    assert await shown("1h") == ["nothing waits"]


async def test_only_what_is_named_is_dropped_and_only_by_who_is_sure(desk: Desk) -> None:
    kept, named = sorted(await desk.keys())
    assert len(await dropped(named, sure=False)) == 1
    assert await desk.keys() == {kept, named}
    assert (await dropped(named))[-1] == "1 dropped"
    assert await desk.keys() == {kept}
    with pytest.raises(BadSettings, match=f"nothing lies at {named}"):
        await dropped(kept, named)
    assert await desk.keys() == {kept}


async def test_what_is_old_enough_is_dropped_together(desk: Desk) -> None:
    assert await dropped(older_than="2d") == ["nothing waits"]
    assert len(await desk.keys()) == 2
    assert (await dropped(older_than="0s"))[-1] == "2 dropped"
    assert await desk.keys() == set()


@pytest.mark.parametrize(
    ("keys", "older_than", "sentence"),
    [
        ([], "", "one of the two"),
        (["a/1/1-x"], "2d", "one of the two"),
        (["../x"], "", "a blob's key is"),
        ([], "soon", "'soon' is no age"),
        ([], "-1d", "'-1d' is no age"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_said(keys: list[str], older_than: str, sentence: str) -> None:
    with pytest.raises(BadSettings, match=sentence):
        await dropped(*keys, older_than=older_than)


async def test_without_a_ledger_nothing_is_called_a_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    with pytest.raises(BadSettings, match=r"uploader\.db does not exist"):
        await shown("0s")


async def test_a_ledger_that_does_not_answer_is_said_in_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "PATIENCE", 0.2)
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://darkroom:words@127.0.0.1:1/darkroom")
    with pytest.raises(Outage, match="check DATABASE_URL"):
        await shown("0s")


async def test_it_asks_before_it_drops_as_it_is_typed(desk: Desk) -> None:
    (key, *_) = await desk.keys()
    for typed, status, left in (("n\n", 0, 2), ("y\n", 0, 1), ("y\n", 2, 1)):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "blobs", "drop", key),
            cwd=ROOT,
            env=environment(desk.known),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await process.communicate(typed.encode())
        assert (process.returncode, len(await desk.keys())) == (status, left)
