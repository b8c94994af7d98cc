"""The sweep of the blob store: only what the ledger says is stored or deleted, and never what is young."""

import os
import time
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from contracts.commands import DeleteImage
from services.uploader import sweep as sweeping
from services.uploader.sweep import Sweep
from tests.services.uploader.stage import Replica, Stage, failed, picture, public_id, reserved


async def kept(uploader: Replica) -> set[str]:
    every = uploader.blobs.keys()
    return {key async for key, _ in every}


async def test_bytes_of_stored_and_deleted_images_go_and_all_others_stay(uploader: Replica) -> None:
    await uploader.hear(reserved())
    stored, deleted, waiting, unknown = [
        await uploader.deliver(picture(number), ordinal=number) for number in range(4)
    ]
    for message in (stored, deleted):
        await uploader.hear(message)
    await uploader.hear(DeleteImage(public_id=public_id(8)))
    await uploader.hear(failed(ordinal=2))
    old_round = await uploader.deliver(picture(9), round=2)
    await Sweep(uploader.blobs, uploader.ledger, young=0).round()
    assert await kept(uploader) == {waiting.blob_key, unknown.blob_key}
    assert old_round.blob_key not in await kept(uploader)
    assert REGISTRY.get_sample_value("darkroom_blobs_left") == 2


async def test_what_is_young_is_left_alone(uploader: Replica) -> None:
    message = await uploader.deliver(picture(1))
    await uploader.hear(message)
    await Sweep(uploader.blobs, uploader.ledger).round()
    assert await kept(uploader) == {message.blob_key}


async def test_more_blobs_than_are_looked_up_at_once(
    uploader: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "CHUNK", 5)
    await uploader.stored(picture(1))
    for number in range(13):
        await uploader.deliver(picture(1), batch_id=f"many-{number}")
    await Sweep(uploader.blobs, uploader.ledger, young=0).round()
    assert len(await kept(uploader)) == 13


async def test_files_of_interrupted_writes_go_once_they_are_old(uploader: Replica, stage: Stage) -> None:
    message = await uploader.deliver(picture(1))
    folder = (stage.blobs / message.blob_key).parent
    drafts: list[Path] = [folder / ".writing-1", folder / ".writing-2"]
    for draft in drafts:
        draft.write_bytes(b"half")
    os.utime(drafts[0], (0, time.time() - 1000))
    await Sweep(uploader.blobs, uploader.ledger).round()
    assert [draft.exists() for draft in drafts] == [False, True]
    assert await kept(uploader) == {message.blob_key}


async def test_old_bytes_that_nobody_came_for_are_told_of_once_and_kept(
    uploader: Replica, stage: Stage
) -> None:
    old, young = [await uploader.deliver(picture(number), batch_id=f"lost-{number}") for number in range(2)]
    os.utime(stage.blobs / old.blob_key, (0, time.time() - 7200))
    sweep = Sweep(uploader.blobs, uploader.ledger, young=0)
    with capture_logs() as told:
        for _ in range(3):
            await sweep.round()
    (warning,) = told
    assert (warning["log_level"], warning["new"], warning["keys"]) == ("warning", 1, [old.blob_key])
    assert REGISTRY.get_sample_value("darkroom_blobs_orphaned") == 1
    assert await kept(uploader) == {old.blob_key, young.blob_key}
    os.utime(stage.blobs / young.blob_key, (0, time.time() - 7200))
    with capture_logs() as told:
        await sweep.round()
    assert [(each["new"], each["count"]) for each in told] == [(1, 2)]
    await uploader.hear(reserved(batch_id="lost-0"))
    await uploader.hear(old)
    await sweep.round()
    assert REGISTRY.get_sample_value("darkroom_blobs_orphaned") == 1
    assert await kept(uploader) == {young.blob_key}
