"""What the doctor finds at the blob store: that it works, that it does not, that something was left there."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.blobs import open_blobs
from chassis.database import open_database
from cli.doctor.blobs import STORE, WAITING, blobs
from cli.leftovers import LeftoverSettings
from services.uploader.app import MIGRATIONS
from tests.s3.gate import Gate, gate_before
from tests.s3.server import VARIABLES, S3Server
from tests.services.uploader.stage import picture, ready


@pytest.fixture(autouse=True)
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a system in one process."""
    for name in LeftoverSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    async with open_database(f"sqlite+aiosqlite:///{tmp_path}/uploader.db", "uploader", MIGRATIONS):
        return tmp_path


@pytest.fixture
async def gate(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gate]:
    """Before a bucket that is named in the settings."""
    async with gate_before(s3.endpoint) as made:
        monkeypatch.setenv("BLOBS_URL", s3.url(s3.new_bucket(), endpoint=made.url))
        for name, value in VARIABLES.items():
            monkeypatch.setenv(name, value)
        yield made


async def test_a_folder_that_works_is_ok_and_keeps_nothing_of_the_look(home: Path) -> None:
    store, waiting = await blobs()
    assert [(each.subject, each.state) for each in (store, waiting)] == [(STORE, "ok"), (WAITING, "ok")]
    assert [path for path in (home / "blobs").rglob("*") if path.is_file()] == []


async def test_a_bucket_that_works_is_ok(gate: Gate) -> None:
    assert [each.state for each in await blobs()] == ["ok", "ok"]
    assert {request.split(" ")[0] for request in gate.requests} == {"GET", "PUT", "DELETE"}


async def test_a_key_that_may_not_write_is_wrong_and_the_advice_names_the_right(gate: Gate) -> None:
    gate.answers(403, "AccessDenied", method="PUT")
    store, waiting = await blobs()
    assert (store.state, waiting.state) == ("wrong", "ok")
    assert store.says.endswith("HTTP 403 AccessDenied")
    assert store.advice.startswith("give this key the rights to get, put, delete and list")


async def test_settings_that_can_not_be_used_are_wrong_and_no_secret_is_told(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.answers(403, "SignatureDoesNotMatch")
    (store,) = await blobs()
    assert store.state == "wrong"
    assert "AWS_SECRET_ACCESS_KEY" in store.advice
    assert VARIABLES["AWS_SECRET_ACCESS_KEY"] not in store.says + store.advice
    monkeypatch.setenv("BLOBS_URL", "s3://key:hush@bucket")
    (store,) = await blobs()
    assert (store.state, "hush" in store.says + store.advice) == ("wrong", False)


async def test_bytes_that_nobody_fetches_are_a_warning(home: Path) -> None:
    message = ready(picture(1))
    async with open_blobs(f"file:{home}/blobs") as store:
        await store.put(message.blob_key, b"bytes")
    os.utime(home / "blobs" / message.blob_key, (0, time.time() - 7200))
    _, waiting = await blobs()
    assert waiting.state == "warning"
    assert waiting.says.endswith(f": 1, the oldest {message.blob_key}")
    assert waiting.advice.startswith("darkroom blobs list")
