"""The sweep of the blob store: only what the ledger says is stored or deleted, and never what is young."""

import os
import time
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from contracts.commands import DeleteImage
from services.uploader import sweep as sweeping
from services.uploader.sweep import sweep
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
    await sweep(uploader.blobs, uploader.ledger, young=0)
    assert await kept(uploader) == {waiting.blob_key, unknown.blob_key}
    assert old_round.blob_key not in await kept(uploader)
    assert REGISTRY.get_sample_value("darkroom_blobs_left") == 2


async def test_what_is_young_is_left_alone(uploader: Replica) -> None:
    message = await uploader.deliver(picture(1))
    await uploader.hear(message)
    await sweep(uploader.blobs, uploader.ledger)
    assert await kept(uploader) == {message.blob_key}


async def test_more_blobs_than_are_looked_up_at_once(
    uploader: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "CHUNK", 5)
    await uploader.stored(picture(1))
    for number in range(13):
        await uploader.deliver(picture(1), batch_id=f"many-{number}")
    await sweep(uploader.blobs, uploader.ledger, young=0)
    assert len(await kept(uploader)) == 13


async def test_files_of_interrupted_writes_go_once_they_are_old(uploader: Replica, stage: Stage) -> None:
    message = await uploader.deliver(picture(1))
    folder = (stage.blobs / message.blob_key).parent
    drafts: list[Path] = [folder / ".writing-1", folder / ".writing-2"]
    for draft in drafts:
        draft.write_bytes(b"half")
    os.utime(drafts[0], (0, time.time() - 1000))
    await sweep(uploader.blobs, uploader.ledger)
    assert [draft.exists() for draft in drafts] == [False, True]
    assert await kept(uploader) == {message.blob_key}
