"""Rule "Store": one image, one number, one asset, one answer, whatever comes twice, late or at once."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudinary import uploader as sdk

from contracts.events import ImageFailed, ImageStored, IndexTaken
from contracts.names import index_file
from messaging.errors import Later, Outage, PermanentError, TemporaryError
from services.uploader.domain.endings import image_end
from services.uploader.domain.rows import Lying, Place, Row
from services.uploader.domain.steps import Store
from tests.services.uploader.stage import (
    FOLDER,
    Replica,
    Stage,
    digest,
    failed,
    name,
    picture,
    public_id,
    ready,
    reassigned,
    replica,
    reserved,
    until,
)


async def put_by_hand(uploader: Replica, index: int, data: bytes, **options: Any) -> None:
    await uploader.account.call(sdk.upload, data, public_id=public_id(index), filename="x.png", **options)


async def test_an_image_is_stored_at_its_number_with_all_that_was_told_of_it(
    uploader: Replica, stage: Stage
) -> None:
    data = picture(1)
    said = await uploader.stored(data)
    asset = (await stage.assets())[public_id(7)]
    assert (asset["etag"], asset["bytes"], asset["version"]) == (said.md5, said.byte_count, said.version)
    assert asset["context"] == {
        "index": "7", "batch": "b1", "ordinal": "0", "job": "b1/0/1", "md5": digest(data),
    }  # fmt: skip
    assert asset["tags"] == ["darkroom", "opal-fever"]
    assert (said.public_id, said.placeholder, said.seed, said.gpu_ms) == (public_id(7), False, 41, 3400)
    assert f"/v{said.version}/" in said.url
    assert await stage.fetch(said.url) == data


async def test_stored_for_the_same_image_answers_the_same_without_the_bytes(
    uploader: Replica, stage: Stage
) -> None:
    message = await uploader.deliver(picture(1))
    (first,) = await uploader.hear(message)
    await uploader.blobs.remove(message.blob_key)
    (again,) = await uploader.hear(message)
    assert again.encode() == first.encode()
    assert (await stage.stats())["calls"]["upload"] == 1


async def test_a_second_replica_answers_the_same(each_stage: Stage) -> None:
    async with replica(each_stage) as one, replica(each_stage) as two:
        message = await one.deliver(picture(1))
        (first,) = await one.hear(message)
        (second,) = await two.hear(message)
        assert first.encode() == second.encode()


async def test_the_ledger_row_is_claimed_under_a_lease_before_the_upload(each_stage: Stage) -> None:
    """Ten deliveries of one image in two replicas: one upload."""
    async with replica(each_stage) as one, replica(each_stage) as two:
        message = await one.deliver(picture(1))
        said = await asyncio.gather(*(r.hear_until_done(message) for r in (one, two) for _ in range(5)))
        assert len({answer.encode() for (answer,) in said}) == 1
    stats = await each_stage.stats()
    assert (stats["uploads"], stats["existing"]) == (1, 0)


async def test_a_lease_that_another_holds_is_waited_for(uploader: Replica, stage: Stage) -> None:
    await stage.fault("latency", calls=["upload"], delay_seconds=0.3)
    message = await uploader.deliver(picture(1))
    working = asyncio.create_task(uploader.hear(message))
    await until(lambda: bool(uploader.ledger.held))
    with pytest.raises(Later):
        await uploader.hear(message)
    assert isinstance((await working)[0], ImageStored)


async def test_an_expired_lease_is_taken_over(each_stage: Stage) -> None:
    async with replica(each_stage, lease=0.1) as one, replica(each_stage) as two:
        await each_stage.fault("latency", calls=["upload"], delay_seconds=0.3)
        message = await one.deliver(picture(1))
        dying = asyncio.create_task(one.hear(message))
        await until(lambda: bool(one.ledger.held))
        dying.cancel()
        (said,) = await two.hear_until_done(message)
        assert isinstance(said, ImageStored)
    assert len(await each_stage.assets()) == 1


async def test_a_lease_is_renewed_while_an_upload_takes_long(stage: Stage) -> None:
    async with replica(stage, lease=0.6) as one, replica(stage) as two:
        await stage.fault("latency", calls=["upload"], delay_seconds=1)
        message = await one.deliver(picture(1))
        working = asyncio.create_task(one.hear(message))
        await until(lambda: bool(one.ledger.held))
        (other,) = await two.hear_until_done(message)
        assert (await working)[0].encode() == other.encode()
    assert (await stage.stats())["calls"]["upload"] == 1


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize(
    "kind", ["drop", "html_502", "error_503", "no_error_field", "list_body", "limited_420"]
)
async def test_a_lost_answer_is_an_outage_and_repeating_stores_one_asset(
    uploader: Replica, stage: Stage, kind: str, after_commit: bool
) -> None:
    await stage.fault(kind, calls=["upload"], after_commit=after_commit)
    message = await uploader.deliver(picture(1))
    with pytest.raises(Outage):
        await uploader.hear(message)
    (said,) = await uploader.hear_until_done(message)
    assert isinstance(said, ImageStored)
    assets = await stage.assets()
    assert [asset["etag"] for asset in assets.values()] == [message.md5]
    assert (await stage.stats())["existing"] == int(after_commit)


@pytest.mark.parametrize("kind", ["unauthorized", "forbidden", "stale"])
async def test_a_refused_account_stops_uploading_loudly_and_fails_no_image(
    uploader: Replica, stage: Stage, kind: str
) -> None:
    await stage.fault(kind, calls=["upload"], count=2)
    message = await uploader.deliver(picture(1))
    for _ in range(2):
        with pytest.raises(Outage, match="check"):
            await uploader.hear(message)
        assert "check" in (await uploader.account.trouble() or "")
    assert isinstance((await uploader.hear_until_done(message))[0], ImageStored)
    assert await uploader.account.trouble() is None


async def test_anything_else_there_asks_for_another_number_and_overwrites_nothing(
    uploader: Replica, stage: Stage
) -> None:
    await put_by_hand(uploader, 7, picture(99))
    message = await uploader.deliver(picture(1))
    (asked,) = await uploader.hear(message)
    assert isinstance(asked, IndexTaken)
    assert (asked.index, asked.found.md5) == (7, digest(picture(99)))
    assert (await uploader.hear(message))[0].encode() == asked.encode()
    assert (await stage.assets())[public_id(7)]["etag"] == digest(picture(99))


async def test_the_same_bytes_of_another_image_are_a_conflict(uploader: Replica) -> None:
    await put_by_hand(uploader, 7, picture(1), context={"batch": "other", "ordinal": "0"})
    (asked,) = await uploader.hear(await uploader.deliver(picture(1)))
    assert isinstance(asked, IndexTaken)


def test_a_found_asset_of_the_same_etag_and_another_length_is_not_believed() -> None:
    """Which can't be, so nothing that such an answer says is relied upon."""
    message = ready(picture(1))
    row = Row("b1", 0, 1, Place(FOLDER, message.name, 7), ready=message)
    lying = Lying(public_id(7), message.md5, message.byte_count + 1, "a1", 1, "https://x", datetime.now(UTC))
    end = image_end(Store(row), lying)
    assert [type(said) for said in end.messages] == [IndexTaken]


async def test_the_same_bytes_without_context_are_ours(uploader: Replica) -> None:
    await put_by_hand(uploader, 7, picture(1))
    assert (await uploader.stored(picture(1))).index == 7


async def test_a_number_that_the_ledger_gave_to_another_image_is_taken(each_stage: Stage) -> None:
    async with replica(each_stage) as uploader:
        await uploader.stored(picture(1))
        (asked,) = await uploader.hear(await uploader.deliver(picture(2), batch_id="b2"))
        assert isinstance(asked, IndexTaken)
        assert (asked.batch_id, asked.found.md5) == ("b2", digest(picture(1)))
        (said,) = await uploader.hear(reassigned(7, 8, batch_id="b2"))
        assert isinstance(said, ImageStored)
        assert said.index == 8


async def test_two_images_that_claim_one_name_at_once_end_at_two_numbers(each_stage: Stage) -> None:
    async with replica(each_stage) as one, replica(each_stage) as two:
        first, second = await one.deliver(picture(1)), await one.deliver(picture(2), batch_id="b2")
        said = await asyncio.gather(one.hear_until_done(first), two.hear_until_done(second))
    kinds = sorted(type(answer).__name__ for (answer,) in said)
    assert kinds == ["ImageStored", "IndexTaken"]


async def test_the_ledger_keeps_the_image_until_it_is_stored_at_its_new_number(
    each_stage: Stage,
) -> None:
    async with replica(each_stage) as uploader:
        await put_by_hand(uploader, 7, picture(99))
        message = await uploader.deliver(picture(1))
        await uploader.hear(message)
        (said,) = await uploader.hear(reassigned(7, 12))
        assert isinstance(said, ImageStored)
        assert (said.index, said.name, said.public_id) == (12, name(12), public_id(12))
        assert (said.seed, said.gpu_ms) == (41, 3400)
        (again,) = await uploader.hear(reassigned(7, 12))
        assert again.encode() == said.encode()


async def test_a_later_message_with_the_old_number_follows_the_ledger(uploader: Replica) -> None:
    await put_by_hand(uploader, 7, picture(99))
    message = await uploader.deliver(picture(1))
    await uploader.hear(message)
    (said,) = await uploader.hear(reassigned(7, 12))
    (again,) = await uploader.hear(message)
    assert again.encode() == said.encode()


async def test_a_new_number_that_is_taken_too_asks_again(uploader: Replica, stage: Stage) -> None:
    for index in (7, 8):
        await put_by_hand(uploader, index, picture(90 + index))
    await uploader.hear(await uploader.deliver(picture(1)))
    (asked,) = await uploader.hear(reassigned(7, 8))
    assert isinstance(asked, IndexTaken)
    assert asked.index == 8
    assert await uploader.hear(reassigned(7, 8)) == (asked,)
    (said,) = await uploader.hear(reassigned(8, 9))
    assert said.index == 9  # type: ignore[attr-defined]
    assert await uploader.hear(reassigned(7, 8)) == ()
    assert set(await stage.assets()) == {public_id(7), public_id(8), public_id(9)}


async def test_a_padded_name_stays_padded_at_its_new_number(uploader: Replica) -> None:
    padded = "Areg_opal-fever_image_0007"
    await uploader.account.call(sdk.upload, picture(99), public_id=f"{FOLDER}/{padded}")
    await uploader.hear(await uploader.deliver(picture(1), name=padded))
    (said,) = await uploader.hear(reassigned(7, 12))
    assert said.name == "Areg_opal-fever_image_0012"  # type: ignore[attr-defined]


async def test_a_reassignment_of_an_unknown_image_is_hopeless_and_its_burial_fails_the_image(
    uploader: Replica,
) -> None:
    with pytest.raises(PermanentError):
        await uploader.hear(reassigned(7, 12))
    (said,) = await uploader.bury(reassigned(7, 12), "why")
    assert isinstance(said, ImageFailed)
    assert (said.stage, said.index, "why" in said.detail) == ("store", 12, True)


async def test_bytes_missing_and_row_not_stored_fails_the_image_and_a_retry_can_help(
    uploader: Replica, stage: Stage
) -> None:
    await uploader.hear(reserved(on_failure="omit"))
    (said,) = await uploader.hear(ready(picture(1)))
    assert isinstance(said, ImageFailed)
    assert (said.code, said.retryable, said.placeholder_follows) == ("bytes_lost", True, False)
    assert await stage.assets() == {}
    assert (await uploader.stored(picture(2), round=2)).round == 2


async def test_a_failure_waits_until_its_batch_tells_whether_a_placeholder_follows(uploader: Replica) -> None:
    with pytest.raises(TemporaryError, match="not known"):
        await uploader.hear(ready(picture(1)))
    assert not uploader.ledger.held


async def test_bytes_missing_of_a_batch_that_wants_placeholders_says_that_one_follows(
    uploader: Replica,
) -> None:
    await uploader.hear(reserved())
    (said,) = await uploader.hear(ready(picture(1)))
    assert isinstance(said, ImageFailed)
    assert said.placeholder_follows
    (end,) = await uploader.hear(said)
    assert isinstance(end, ImageStored)
    assert end.placeholder


@pytest.mark.parametrize("wrong", [{"md5": "0" * 32}, {"byte_count": 5}])
async def test_wrong_bytes_never_upload_and_their_burial_fails_the_image(
    uploader: Replica, stage: Stage, wrong: dict[str, Any]
) -> None:
    data = picture(1)
    message = ready(data, **wrong, blob_key=f"b1/0/1-{digest(data)}")
    await uploader.blobs.put(message.blob_key, data)
    with pytest.raises(PermanentError, match="announced"):
        await uploader.hear(message)
    (said,) = await uploader.bury(message, "the bytes are not those")
    assert isinstance(said, ImageFailed)
    assert said.stage == "store"
    assert await stage.assets() == {}
    # Mended and replayed, it is stored.
    assert (await uploader.stored(data)).md5 == digest(data)


async def test_the_burial_of_an_image_that_is_stored_says_so(uploader: Replica) -> None:
    said = await uploader.stored(picture(1))
    assert await uploader.bury(ready(picture(1)), "why") == (said,)


@pytest.mark.parametrize(
    "wrong", [{"name": "Areg_opal-fever_image_8"}, {"folder": "Areg/other"}, {"name": "x"}]
)
async def test_a_name_that_is_not_this_numbers_never_uploads(
    uploader: Replica, stage: Stage, wrong: dict[str, Any]
) -> None:
    with pytest.raises(PermanentError, match="not the name"):
        await uploader.hear(await uploader.deliver(picture(1), **wrong))
    assert await stage.assets() == {}


@pytest.mark.parametrize(
    ("data", "code"), [(b"no image at all", "invalid_image"), (picture(1, side=200), "too_large")]
)
@pytest.mark.parametrize("on_failure", ["placeholder", "omit"])
async def test_what_cloudinary_refuses_fails_with_a_code_and_a_placeholder_as_asked(
    uploader: Replica, data: bytes, code: str, on_failure: str
) -> None:
    await uploader.hear(reserved(on_failure=on_failure))
    (said,) = await uploader.hear(await uploader.deliver(data))
    assert isinstance(said, ImageFailed)
    assert (said.code, said.retryable, said.stage) == (code, False, "store")
    assert said.placeholder_follows is (on_failure == "placeholder")
    ends = await uploader.hear(said)
    assert [end.placeholder for end in ends if isinstance(end, ImageStored)] == [True] * len(ends)
    assert len(ends) == int(on_failure == "placeholder")


async def test_an_account_that_alters_images_is_said_so_and_costs_no_numbers(uploader: Replica) -> None:
    data = picture(1)
    context = {"batch": "b1", "ordinal": "0", "md5": digest(data)}
    await put_by_hand(uploader, 7, picture(50), context=context)
    with pytest.raises(PermanentError, match="upload preset"):
        await uploader.hear(await uploader.deliver(data))


async def test_a_lower_round_does_not_disturb_a_higher_one_under_way(uploader: Replica, stage: Stage) -> None:
    await stage.fault("drop", calls=["upload"])
    later = await uploader.deliver(picture(2), round=2)
    with pytest.raises(Outage):
        await uploader.hear(later)
    assert await uploader.hear(await uploader.deliver(picture(1))) == ()
    assert (await uploader.hear(later))[0].round == 2  # type: ignore[attr-defined]


async def test_a_stored_image_counts_for_more_than_a_later_round(uploader: Replica, stage: Stage) -> None:
    said = await uploader.stored(picture(1))
    assert await uploader.hear(await uploader.deliver(picture(2), round=2)) == (said,)
    assert await uploader.hear(failed(round=2)) == (said,)
    assert (await stage.assets())[public_id(7)]["etag"] == digest(picture(1))


async def test_bytes_go_after_the_acknowledgement_and_only_when_they_are_stored(uploader: Replica) -> None:
    message = await uploader.deliver(picture(1))
    await uploader.afterwards(message)
    assert await uploader.blobs.get(message.blob_key) is not None
    await uploader.hear(message)
    other = await uploader.deliver(picture(2), round=2)
    await uploader.afterwards(other)
    assert await uploader.blobs.get(other.blob_key) is not None
    await uploader.afterwards(message)
    assert await uploader.blobs.get(message.blob_key) is None


async def test_an_index_file_is_never_taken_for_an_image(uploader: Replica, stage: Stage) -> None:
    await uploader.hear(reserved())
    await uploader.mirror.write()
    await uploader.stored(picture(1))
    assert set(await stage.assets("raw")) == {index_file(FOLDER)}
    assert set(await stage.assets()) == {public_id(7)}
