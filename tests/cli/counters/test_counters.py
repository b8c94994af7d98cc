"""`darkroom counters` as it is typed, over either database and the stand-in."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cloudinary import uploader as sdk

from chassis.cloudinary_account import Account, open_account
from contracts.names import index_file
from sandbox.cloudinary import CloudinarySettings, cloudinary
from sandbox.serving import serve
from services.indexer.adapters.sql_counters import SqlCounters
from tests.services.indexer.ledgers import opened_database
from tests.services.uploader.stage import picture

FOLDER = "Areg/characters/opal-fever/images"
OTHER = "Areg/characters/jade/images"


@dataclass
class Office:
    """Where a person types, and what there is to compare."""

    environment: dict[str, str]
    indexer: str
    account: Account

    async def counters(self, *words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "cli", "counters", *words]
        bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            env=bare | self.environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    async def count(self, **folders: int) -> None:
        async with self.known() as counters:
            for folder, first in folders.items():
                await counters.adopt(globals()[folder], first)

    @asynccontextmanager
    async def known(self) -> AsyncIterator[SqlCounters]:
        async with opened_database(self.indexer) as database:
            yield SqlCounters(database, time.time)

    async def hold(self, index: int) -> None:
        await self.account.call(
            sdk.upload, picture(index), public_id=f"{FOLDER}/Areg_opal-fever_image_{index}"
        )

    async def mirror(self, folder: str, says: int) -> None:
        named = {"public_id": index_file(folder), "filename": "index.txt", "resource_type": "raw"}
        await self.account.call(sdk.upload, str(says).encode(), **named, overwrite=True)


@pytest.fixture(params=["sqlite", "postgresql"])
async def office(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Office]:
    async with serve(cloudinary(CloudinarySettings(tmp_path / "assets"))) as base:
        url = f"cloudinary://000000000000000:stand-in@darkroom?upload_prefix={base}"
        environment: dict[str, Any] = {"CLOUDINARY_URL": url, "VAR_DIR": str(tmp_path)}
        indexer = f"sqlite+aiosqlite:///{tmp_path}/indexer.db"
        if request.param == "postgresql":
            indexer = environment["DATABASE_URL"] = request.getfixturevalue("postgres_url")
        else:
            (tmp_path / "uploader.db").touch()
        async with open_account(url, 1) as account:
            yield Office(environment, indexer, account)


async def test_what_disagrees_is_shown_repaired_and_then_agrees(office: Office) -> None:
    await office.count(FOLDER=3, OTHER=5)
    await office.mirror(OTHER, 5)
    await office.hold(7)
    status, said = await office.counters("check")
    assert status == 1
    assert "image 7 lies in storage" in said
    assert "index.txt is missing" in said
    assert "folders looked at: 2, of which disagree: 1" in said
    status, said = await office.counters("adopt")
    assert (status, f"{FOLDER}: the next image is 8" in said) == (0, True), said
    assert OTHER not in said
    assert (await office.counters("check")) == (0, "folders looked at: 2, of which disagree: 0\n")
    status, said = await office.counters("show", FOLDER)
    assert (status, "counter 8, index.txt 8, highest image 7: agree" in said) == (0, True), said


async def test_a_counter_is_never_lowered_and_a_folder_that_is_named_is_adopted(office: Office) -> None:
    await office.count(OTHER=90)
    await office.mirror(OTHER, 5)
    await office.hold(7)
    status, said = await office.counters("adopt", OTHER, FOLDER)
    assert status == 0, said
    async with office.known() as counters:
        assert await counters.all() == {OTHER: 90, FOLDER: 8}
    status, said = await office.counters("show", OTHER)
    assert "index.txt 90" in said


async def test_what_only_a_person_can_mend_is_left_alone(office: Office) -> None:
    await office.count(FOLDER=3)
    await office.hold(9_007_199_254_740_000)
    status, said = await office.counters("adopt")
    assert (status, "a person has to put it right" in said) == (1, True), said
    async with office.known() as counters:
        assert await counters.all() == {FOLDER: 3}


async def test_what_keeps_from_looking_is_a_sentence(office: Office) -> None:
    await office.count()
    assert await office.counters("show") == (0, "nobody has counted in any folder yet\n")
    await office.count(FOLDER=3)
    assert await office.counters("show", "no/folder") == (
        2,
        "darkroom: no/folder is no folder: it reads username/collection/character/images\n",
    )
    office.environment["CLOUDINARY_URL"] = (
        "cloudinary://k:wrong@darkroom?" + office.environment["CLOUDINARY_URL"].partition("?")[2]
    )
    status, said = await office.counters("check")
    assert (status, "CLOUDINARY_URL" in said, "Traceback" in said) == (2, True, False), said
