"""Rule "Placeholder": a picture that says why, at the image's own name, which only a real image replaces."""

import asyncio
from io import BytesIO

import pytest
from cloudinary import uploader as sdk
from PIL import Image

from contracts.events import ImageFailed, ImageStored, IndexTaken
from messaging.errors import Later, Outage, TemporaryError
from tests.services.uploader.stage import (
    Replica,
    Stage,
    digest,
    failed,
    picture,
    public_id,
    replica,
    reserved,
    until,
)


async def placed(uploader: Replica, **told: object) -> ImageStored:
    await uploader.hear(reserved())
    (said,) = await uploader.hear(failed(**told))  # type: ignore[arg-type]
    assert isinstance(said, ImageStored)
    return said


async def test_a_failed_image_gets_a_tagged_picture_of_its_size_at_its_own_name(
    uploader: Replica, stage: Stage
) -> None:
    said = await placed(uploader)
    asset = (await stage.assets())[public_id(7)]
    assert "placeholder" in asset["tags"]
    assert (said.placeholder, said.index, said.public_id) == (True, 7, public_id(7))
    image = Image.open(BytesIO(await stage.fetch(said.url)))
    assert image.size == (said.width, said.height) == (128, 192)
    assert (said.seed, said.backend, said.used_embedding) == (None, None, False)


async def test_a_repeated_failure_answers_the_same(each_stage: Stage) -> None:
    async with replica(each_stage) as one, replica(each_stage) as two:
        said = await placed(one)
        answers = await asyncio.gather(*(r.hear_until_done(failed()) for r in (one, two)))
    assert {answer.encode() for (answer,) in answers} == {said.encode()}


async def test_without_a_placeholder_to_follow_nothing_happens(uploader: Replica, stage: Stage) -> None:
    await uploader.hear(reserved())
    assert await uploader.hear(failed(placeholder_follows=False)) == ()
    assert await stage.assets() == {}


async def test_a_failure_before_its_batch_is_known_comes_again(uploader: Replica) -> None:
    with pytest.raises(TemporaryError):
        await uploader.hear(failed())
    assert (await placed(uploader)).placeholder


async def test_a_real_image_replaces_a_placeholder_and_only_that(uploader: Replica, stage: Stage) -> None:
    await placed(uploader)
    data = picture(2)
    said = await uploader.stored(data, round=2)
    asset = (await stage.assets())[public_id(7)]
    assert (asset["etag"], asset["overwrites"]) == (digest(data), 1)
    assert "placeholder" not in asset["tags"]
    assert (said.placeholder, said.round, said.index) == (False, 2, 7)
    assert await stage.fetch(said.url) == data
    assert await uploader.hear(failed()) == (said,)


async def test_a_lost_answer_to_the_replacement_is_made_good(uploader: Replica, stage: Stage) -> None:
    await placed(uploader)
    message = await uploader.deliver(picture(2), round=2)
    # The first call finds the placeholder, the second replaces it.
    await stage.fault("drop", calls=["upload"], every=2, after_commit=True)
    with pytest.raises(Outage):
        await uploader.hear(message)
    (said,) = await uploader.hear(message)
    assert isinstance(said, ImageStored)
    assert (await stage.assets())[public_id(7)]["overwrites"] == 1


async def test_a_placeholder_that_somebody_changed_is_not_overwritten(
    uploader: Replica, stage: Stage
) -> None:
    await placed(uploader)
    await uploader.account.call(sdk.upload, picture(99), public_id=public_id(7), overwrite=True)
    (asked,) = await uploader.hear(await uploader.deliver(picture(2), round=2))
    assert isinstance(asked, IndexTaken)
    assert (await stage.assets())[public_id(7)]["etag"] == digest(picture(99))


async def test_a_placeholder_that_finds_another_asset_is_not_stored_and_gets_no_new_number(
    uploader: Replica, stage: Stage
) -> None:
    await uploader.account.call(sdk.upload, picture(99), public_id=public_id(7))
    await uploader.hear(reserved())
    (said,) = await uploader.hear(failed())
    assert isinstance(said, ImageFailed)
    assert (said.placeholder_follows, said.stage, said.code) == (False, "store", "out_of_memory")
    assert "another asset lies at" in said.detail
    assert await uploader.hear(said) == ()
    assert (await stage.assets())[public_id(7)]["etag"] == digest(picture(99))


async def test_a_placeholder_whose_number_another_image_has_is_not_stored(uploader: Replica) -> None:
    await uploader.stored(picture(1), batch_id="b0", index=7)
    await uploader.hear(reserved())
    (said,) = await uploader.hear(failed())
    assert isinstance(said, ImageFailed)
    assert not said.placeholder_follows


async def test_its_md5_is_in_the_ledger_before_it_is_uploaded(uploader: Replica, stage: Stage) -> None:
    await uploader.hear(reserved())
    await stage.fault("drop", calls=["upload"], after_commit=True)
    with pytest.raises(Outage):
        await uploader.hear(failed())
    row = (await uploader.ledger.known("b1", 0)).row
    assert row is not None
    assert row.placeholder_md5s == ((await stage.assets())[public_id(7)]["etag"],)


async def test_an_image_replaces_a_placeholder_whose_uploader_died(uploader: Replica, stage: Stage) -> None:
    await uploader.hear(reserved())
    await stage.fault("drop", calls=["upload"], after_commit=True)
    with pytest.raises(Outage):
        await uploader.hear(failed())
    assert (await uploader.stored(picture(1))).index == 7
    assert (await stage.assets())[public_id(7)]["etag"] == digest(picture(1))


async def test_another_reason_does_not_make_an_unfinished_placeholder_a_stranger(
    uploader: Replica, stage: Stage
) -> None:
    await uploader.hear(reserved())
    await stage.fault("drop", calls=["upload"], after_commit=True)
    with pytest.raises(Outage):
        await uploader.hear(failed())
    (said,) = await uploader.hear(failed(round=2, detail="Something else went wrong."))
    assert isinstance(said, ImageStored)
    assert (said.placeholder, said.round) == (True, 2)


async def test_a_placeholder_also_stands_for_a_later_round_that_failed(
    uploader: Replica, stage: Stage
) -> None:
    first = await placed(uploader)
    (second,) = await uploader.hear(failed(round=2))
    assert second == first.model_copy(update={"round": 2})
    assert await uploader.hear(failed(round=1)) == (second,)
    assert (await stage.stats())["calls"]["upload"] == 1


async def test_a_failure_waits_for_the_image_that_is_being_stored(uploader: Replica, stage: Stage) -> None:
    await uploader.hear(reserved())
    await stage.fault("latency", calls=["upload"], delay_seconds=0.3)
    working = asyncio.create_task(uploader.hear(await uploader.deliver(picture(1))))
    await until(lambda: bool(uploader.ledger.held))
    with pytest.raises(Later):
        await uploader.hear(failed())
    assert await uploader.hear_until_done(failed()) == await working


async def test_a_failure_does_not_stand_in_the_way_of_an_image_that_waits_for_a_number(
    uploader: Replica,
) -> None:
    await uploader.hear(reserved())
    await uploader.account.call(sdk.upload, picture(99), public_id=public_id(7))
    asked = await uploader.hear(await uploader.deliver(picture(1)))
    assert await uploader.hear(failed(round=2)) == asked
