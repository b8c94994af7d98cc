"""What the doctor finds at Cloudinary."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.database import open_database
from cli.doctor.storage import ACCOUNT, CLOCK, MIRRORS, MODE, PLAN, UPLOADS, StorageSettings, storage
from sandbox.cloudinary import CloudinarySettings, cloudinary
from sandbox.serving import serve
from services.indexer.adapters.sql_counters import SqlCounters
from services.indexer.app import MIGRATIONS as INDEXER_TABLES
from services.uploader.app import MIGRATIONS as UPLOADER_TABLES
from tests.cli.counters.test_counters import FOLDER


@pytest.fixture
async def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A system in one process that was never used, and its account."""
    for name in (*StorageSettings.model_fields, "database_url"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    for service, tables in (("indexer", INDEXER_TABLES), ("uploader", UPLOADER_TABLES)):
        async with open_database(f"sqlite+aiosqlite:///{tmp_path}/{service}.db", service, tables):
            pass
    async with serve(cloudinary(CloudinarySettings(tmp_path / "assets"))) as url:
        login(monkeypatch, url)
        yield url


def login(monkeypatch: pytest.MonkeyPatch, url: str, secret: str = "stand-in") -> None:
    monkeypatch.setenv(
        "CLOUDINARY_URL", f"cloudinary://000000000000000:{secret}@darkroom?upload_prefix={url}"
    )


async def fault(base: str, **rule: Any) -> None:
    async with httpx.AsyncClient() as http:
        (await http.post(f"{base}/sandbox/faults", json={"count": None, **rule})).raise_for_status()


async def states() -> dict[str, tuple[str, str]]:
    return {one.subject: (one.state, one.says + one.advice) for one in await storage()}


async def test_an_account_that_works_is_told_with_its_mode_limits_and_clock(base: str) -> None:
    found = await states()
    assert {name: state for name, (state, _) in found.items() if name != PLAN} == dict.fromkeys(
        (ACCOUNT, UPLOADS, CLOCK, MODE, MIRRORS), "ok"
    )
    assert "dynamic" in found[MODE][1]
    # The largest picture that may be asked for has 16.8 megapixels, the Free plan takes 25.
    assert found[PLAN] == ("ok", "Free: images up to 10 MiB and 25 megapixels")


async def test_a_wrong_secret_is_wrong_and_not_shown(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    login(monkeypatch, base, "another-secret")
    found = await states()
    assert (found[ACCOUNT][0], found[UPLOADS][0]) == ("wrong", "wrong")
    assert MODE not in found
    assert not [text for _, text in found.values() if "another-secret" in text]


async def test_a_used_up_quota_of_listing_is_no_wrong(base: str) -> None:
    await fault(base, kind="limited_420", calls=["ping"], reset_seconds=600)
    state, says = (await states())[ACCOUNT]
    assert (state, "rate limit" in says) == ("warning", True)


async def test_a_clock_that_is_an_hour_off_is_told_as_such(base: str) -> None:
    await fault(base, kind="stale", calls=["explicit"])
    state, says = (await states())[UPLOADS]
    assert (state, "NTP" in says) == ("wrong", True)


async def test_an_index_txt_that_differs_is_pointed_to(base: str, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/indexer.db"
    async with open_database(url, "indexer", INDEXER_TABLES) as database:
        await SqlCounters(database, time.time).adopt(FOLDER, 5)
    state, says = (await states())[MIRRORS]
    assert (state, FOLDER in says, "darkroom counters check" in says) == ("warning", True, True)


async def test_counters_that_cannot_be_read_hide_nothing_else(base: str, tmp_path: Path) -> None:
    (tmp_path / "indexer.db").unlink()
    found = await states()
    assert (found[MIRRORS][0], "DATABASE_URL" in found[MIRRORS][1]) == ("warning", True)
    assert found[ACCOUNT][0] == "ok"
