"""Deleted stays deleted."""

import asyncio

import pytest
from cloudinary import uploader as sdk

from contracts.commands import DeleteImage
from contracts.events import ImageDeleted, ImageStored
from messaging.errors import Later, Outage, PermanentError
from tests.services.uploader.stage import (
    FOLDER,
    Replica,
    Stage,
    failed,
    picture,
    public_id,
    replica,
    reserved,
    until,
)

COMMAND = DeleteImage(public_id=public_id(7))
GONE = ImageDeleted(public_id=public_id(7))


async def test_a_deleted_image_is_gone_and_deleting_it_again_says_the_same(
    uploader: Replica, stage: Stage
) -> None:
    await uploader.stored(picture(1))
    for _ in range(2):
        assert await uploader.hear(COMMAND) == [GONE]
    assert await stage.assets() == {}


async def test_whatever_comes_later_is_answered_with_deleted(each_stage: Stage) -> None:
    async with replica(each_stage) as uploader:
        await uploader.hear(reserved())
        message = await uploader.deliver(picture(1))
        await uploader.hear(message)
        await uploader.hear(COMMAND)
        later = await uploader.deliver(picture(2), round=2)
        for cause in (message, later, failed(), failed(round=3, placeholder_follows=False)):
            assert tuple(await uploader.hear(cause)) == (GONE,)
        assert await uploader.bury(message, "why") == (GONE,)
    assert await each_stage.assets() == {}


async def test_what_a_frozen_process_stored_after_the_deletion_goes_when_its_delivery_comes_again(
    uploader: Replica, stage: Stage
) -> None:
    message = await uploader.deliver(picture(1))
    await uploader.hear(COMMAND)
    await uploader.account.call(sdk.upload, picture(1), public_id=public_id(7))
    assert await uploader.hear(message) == (GONE,)
    assert await stage.assets() == {}


async def test_a_name_that_was_never_heard_of_stays_empty_too(each_stage: Stage) -> None:
    async with replica(each_stage) as uploader:
        assert await uploader.hear(COMMAND) == [GONE]
        await uploader.hear(reserved())
        assert await uploader.hear(await uploader.deliver(picture(1))) == (GONE,)
        assert await uploader.hear(failed()) == (GONE,)
    assert await each_stage.assets() == {}


async def test_deleting_waits_for_an_upload_under_way(uploader: Replica, stage: Stage) -> None:
    await stage.fault("latency", calls=["upload"], delay_seconds=0.3)
    working = asyncio.create_task(uploader.hear(await uploader.deliver(picture(1))))
    await until(lambda: bool(uploader.ledger.held))
    with pytest.raises(Later):
        await uploader.hear(COMMAND)
    assert isinstance((await working)[0], ImageStored)
    assert await uploader.hear(COMMAND) == [GONE]
    assert await stage.assets() == {}


@pytest.mark.parametrize("after_commit", [False, True])
async def test_a_lost_answer_to_a_deletion_is_an_outage(
    uploader: Replica, stage: Stage, after_commit: bool
) -> None:
    await uploader.stored(picture(1))
    await stage.fault("drop", calls=["destroy"], after_commit=after_commit)
    with pytest.raises(Outage):
        await uploader.hear(COMMAND)
    # Known as deleted before storage is asked: whoever comes in between stores nothing there.
    assert tuple(await uploader.hear(await uploader.deliver(picture(2), round=2))) == (GONE,)
    assert await uploader.hear(COMMAND) == [GONE]


async def test_the_number_of_a_deleted_image_is_given_to_no_other(uploader: Replica) -> None:
    await uploader.stored(picture(1))
    await uploader.hear(COMMAND)
    said = await uploader.hear(await uploader.deliver(picture(2), batch_id="b2"))
    assert not any(isinstance(answer, ImageStored) for answer in said)


@pytest.mark.parametrize("name", ["index.txt", f"{FOLDER}/index.txt", "somebody/else", FOLDER])
async def test_only_images_are_deleted(uploader: Replica, name: str) -> None:
    with pytest.raises(PermanentError):
        await uploader.hear(DeleteImage(public_id=name))
