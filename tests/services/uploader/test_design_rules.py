"""The rules of an idempotent uploader, one by one, over real sockets: what is sent, what is believed, what is
repeated, and what never happens."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
from cloudinary import uploader as sdk

from chassis import cloudinary_account
from chassis.cloudinary_answers import Limited
from contracts.commands import DeleteImage
from contracts.events import ImageFailed, ImageStored, IndexTaken
from messaging.errors import Later, Outage, PermanentError
from services.uploader.adapters.sql_ledger import ENDED
from services.uploader.domain.rows import State
from tests.services.uploader.stage import (
    Replica,
    Stage,
    digest,
    failed,
    picture,
    public_id,
    ready,
    replica,
    reserved,
    until_true,
)


async def test_the_database_comes_first_and_the_index_never_from_storage(
    uploader: Replica, stage: Stage
) -> None:
    """While the answer is awaited, the ledger already says what is to lie where."""
    await stage.fault("latency", calls=["upload"], delay_seconds=0.5)
    message = await uploader.deliver(picture(1))
    working = asyncio.ensure_future(uploader.hear(message))
    await until_true(stage.begun)
    row = await uploader.ledger.find("b1", 0)
    assert row is not None
    assert (row.state, row.place.index, row.md5, row.byte_count) == (
        State.CLAIMED,
        7,
        digest(picture(1)),
        len(picture(1)),
    )
    await working


async def test_the_bytes_stay_until_the_image_is_stored(uploader: Replica, stage: Stage) -> None:
    await stage.fault("drop", calls=["upload"])
    message = await uploader.deliver(picture(1))
    with pytest.raises(Outage):
        await uploader.hear(message)
    await uploader.afterwards(message)
    assert await uploader.blobs.get(message.blob_key) == picture(1)
    await uploader.hear_until_done(message)
    await uploader.afterwards(message)
    assert await uploader.blobs.get(message.blob_key) is None


async def test_uploads_run_in_a_bounded_pool_of_threads_with_timeouts(uploader: Replica) -> None:
    await asyncio.gather(*[uploader.stored(picture(n), ordinal=n) for n in range(4)])
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("cloudinary_")]
    assert 1 <= len(ours) <= 3
    assert (cloudinary_account.CONNECT_SECONDS, cloudinary_account.READ_SECONDS) == (5, 60)
    pool = uploader.account._threads
    assert pool._max_workers == 3


async def test_an_existing_answer_with_the_same_etag_is_success_from_an_earlier_attempt(
    uploader: Replica, stage: Stage
) -> None:
    await stage.fault("drop", calls=["upload"], after_commit=True)
    message = await uploader.deliver(picture(1))
    with pytest.raises(Outage):
        await uploader.hear(message)
    (said,) = await uploader.hear_until_done(message)
    assert isinstance(said, ImageStored)
    assert ((await stage.stats())["existing"], len(await stage.assets())) == (1, 1)


async def test_an_existing_answer_with_another_etag_is_a_conflict_in_metric_log_and_result(
    uploader: Replica, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ENDED.labels("taken")._value.get()
    await uploader.account.call(sdk.upload, picture(99), public_id=public_id(7))
    (asked,) = await uploader.hear(await uploader.deliver(picture(1)))
    assert isinstance(asked, IndexTaken)
    assert (asked.index, asked.found.md5) == (7, digest(picture(99)))
    assert ENDED.labels("taken")._value.get() == before + 1
    shown = capsys.readouterr()
    assert "conflict" in shown.out + shown.err
    assert (await stage.assets())[public_id(7)]["etag"] == digest(picture(99))


@pytest.mark.parametrize(
    "kind",
    [
        "drop",
        "html_502",
        "error_500",
        "error_503",
        "no_error_field",
        "list_body",
        "limited_420",
        "limited_429",
    ],
)
@pytest.mark.parametrize("call", ["image", "placeholder", "delete", "mirror"])
async def test_what_says_nothing_of_the_image_is_an_outage_for_every_call(
    uploader: Replica, stage: Stage, kind: str, call: str
) -> None:
    await uploader.hear(reserved())
    if call == "mirror":
        await stage.fault(kind, calls=["upload"])
        with pytest.raises(Outage):
            await uploader.shelf.write("Areg/characters/opal-fever/images", 11)
        return
    await stage.fault(kind, calls=["destroy" if call == "delete" else "upload"])

    message = {
        "image": await uploader.deliver(picture(1)),
        "placeholder": failed(),
        "delete": DeleteImage(public_id=public_id(7)),
    }[call]
    with pytest.raises(Outage):
        await uploader.hear(message)
    assert len(await uploader.hear_until_done(message)) == 1


@pytest.mark.parametrize("reset", [None, 1])
async def test_a_rate_limit_is_waited_for_with_and_without_a_reset_time(
    uploader: Replica, stage: Stage, reset: int | None
) -> None:
    await stage.fault("limited_420", calls=["upload"], reset_seconds=reset)
    message = await uploader.deliver(picture(1))
    with pytest.raises(Limited):
        await uploader.hear(message)
    (said,) = await uploader.hear_until_done(message)
    assert isinstance(said, ImageStored)
    # Who knocks meanwhile makes no call: the refused one, and the one that was taken.
    assert (await stage.stats())["calls"]["upload"] == 2


async def test_what_storage_refuses_for_good_is_not_repeated(uploader: Replica, stage: Stage) -> None:
    await uploader.hear(reserved(on_failure="omit"))
    await stage.fault("refused", calls=["upload"])
    (said,) = await uploader.hear(await uploader.deliver(picture(1)))
    assert isinstance(said, ImageFailed)
    assert (said.code, said.retryable, said.placeholder_follows) == ("refused", False, False)
    assert (await stage.stats())["calls"]["upload"] == 1


async def test_a_number_is_served_by_one_at_a_time(each_stage: Stage) -> None:
    """The lease in the database is the lock, `overwrite=False` only the net below it."""
    async with replica(each_stage) as one, replica(each_stage) as two:
        await each_stage.fault("latency", calls=["upload"], delay_seconds=0.5)
        message = await one.deliver(picture(1))
        working = asyncio.ensure_future(one.hear(message))
        await until_true(each_stage.begun)
        with pytest.raises(Later):
            await two.hear(message)
        await working
    assert (await each_stage.stats())["calls"]["upload"] == 1


async def test_an_answer_about_another_name_is_never_believed(uploader: Replica, stage: Stage) -> None:
    """A name that the account alters."""
    with pytest.raises(PermanentError, match="not the name"):
        await uploader.hear(await uploader.deliver(picture(1), name="Areg_opal+fever_image_7"))
    assert await stage.assets() == {}


async def test_300_uploads_under_faults_end_as_300_assets_each_with_its_own_bytes(
    uploader: Replica, stage: Stage
) -> None:
    rules: Sequence[tuple[str, bool]] = [
        ("drop", True), ("drop", False), ("error_503", True), ("html_502", False), ("no_error_field", True),
    ]  # fmt: skip
    for place, (kind, after) in enumerate(rules):
        await stage.fault(kind, calls=["upload"], every=9 + place, count=None, after_commit=after)
    pictures = {n: picture(n) for n in range(300)}
    messages = [ready(data, f"b{n}", index=100 + n) for n, data in pictures.items()]
    for message, data in zip(messages, pictures.values(), strict=True):
        await uploader.blobs.put(message.blob_key, data)
    await asyncio.gather(*(uploader.hear_until_done(message, 120) for message in messages))
    assets = await stage.assets()
    assert {name: asset["etag"] for name, asset in assets.items()} == {
        public_id(100 + n): digest(data) for n, data in pictures.items()
    }
    assert {asset["overwrites"] for asset in assets.values()} == {0}
    assert (await stage.stats())["existing"] > 0
