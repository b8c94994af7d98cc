"""The whole uploader over the memory bus: loops, readiness, and a fault run."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from chassis.blobs import open_blobs
from chassis.process import Service
from chassis.settings import BadSettings, read
from contracts.commands import DeleteImage
from contracts.events import (
    ImageDeleted,
    ImageFailed,
    ImageReady,
    ImageStored,
    IndexReassigned,
    IndexTaken,
    IndicesReserved,
)
from contracts.message import Message
from contracts.names import index_file
from messaging import policy
from messaging.bus import Subscription
from messaging.memory import MemoryBus
from services.uploader.app import at_work, open_uploader
from services.uploader.settings import Settings
from tests.services.uploader.stage import (
    FOLDER,
    Stage,
    digest,
    failed,
    picture,
    public_id,
    ready,
    reserved,
    until_true,
)


def settings(stage: Stage, uploads: int = 4, lease: float = 15) -> Settings:
    return Settings(
        lease_seconds=lease,
        bus_url="memory:",
        database_url=stage.database,
        blobs_url=f"file:{stage.blobs}",
        cloudinary_url=f"cloudinary://000000000000000:stand-in@darkroom?upload_prefix={stage.url}",
        uploads=uploads,
    )


class Desk:
    """The gateway's ears."""

    def __init__(self, bus: MemoryBus) -> None:
        self.bus = bus
        self.said: list[Message] = []
        self._changed = asyncio.Condition()

    async def hear(self, message: Message) -> Sequence[Message]:
        async with self._changed:
            self.said.append(message)
            self._changed.notify_all()
        return []

    async def until(self, enough: Callable[[list[Message]], bool], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: enough(self.said))

    def stored(self) -> dict[tuple[str, int], ImageStored]:
        return {(one.batch_id, one.ordinal): one for one in self.said if isinstance(one, ImageStored)}


@asynccontextmanager
async def running(*services: Service) -> AsyncIterator[Desk]:
    bus = MemoryBus()
    desk = Desk(bus)
    ears = [
        Subscription("gateway", kind, desk.hear)
        for kind in (ImageStored, ImageFailed, ImageDeleted, IndicesReserved, IndexReassigned)
    ]
    # Whatever nobody takes out of its queue would never be settled.
    ears.append(Subscription("indexer", IndexTaken, desk.hear))
    ears.append(Subscription("renderer", IndicesReserved, desk.hear))
    subscriptions: list[Any] = [one for service in services for one in service.subscriptions]
    loops = [asyncio.ensure_future(loop()) for service in services for loop in service.loops]
    try:
        async with bus.consuming([*ears, *subscriptions]):
            yield desk
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def put(stage: Stage, message: ImageReady, data: bytes) -> ImageReady:
    async with open_blobs(f"file:{stage.blobs}") as blobs:
        await blobs.put(message.blob_key, data)
    return message


async def test_a_batch_is_stored_its_bytes_removed_and_its_mirror_written(stage: Stage) -> None:
    async with open_uploader(settings(stage), MemoryBus()) as service, running(service) as desk:
        messages = [await put(stage, ready(picture(n), ordinal=n), picture(n)) for n in range(3)]
        await desk.bus.publish(reserved(), *messages, failed(ordinal=3))
        await desk.until(lambda said: len([one for one in said if isinstance(one, ImageStored)]) == 4)
        await desk.bus.settled()
        assert [path for path in stage.blobs.rglob("*") if path.is_file()] == []
        await until_true(partial(stage.assets, "raw"))
        assert [check for check in service.checks.values() if await check()] == []
        assert service.in_flight() == 0
    told = {key[1]: (one.index, one.md5, one.placeholder) for key, one in desk.stored().items()}
    assert [told[n] for n in range(3)] == [(7 + n, digest(picture(n)), False) for n in range(3)]
    assert told[3][2] is True
    assert (await stage.assets("raw"))[index_file(FOLDER)]["context"] == {"next_index": "11"}


async def test_a_refused_account_shows_in_readiness_and_dead_letters_nothing(stage: Stage) -> None:
    await stage.fault("unauthorized", calls=["upload"], count=None)
    async with open_uploader(settings(stage), MemoryBus()) as service, running(service) as desk:
        await desk.bus.publish(await put(stage, ready(picture(1)), picture(1)))
        await until_true(service.checks["storage"])
        assert "CLOUDINARY_URL" in (await service.checks["storage"]() or "")
        assert await desk.bus.dead_letters() == {}
        assert desk.said == []


async def test_the_work_of_a_dead_process_is_taken_over_after_the_lease_that_was_set(stage: Stage) -> None:
    await stage.fault("latency", calls=["upload"], delay_seconds=1, count=1)
    message = await put(stage, ready(picture(1)), picture(1))
    async with open_uploader(settings(stage, lease=0.3), MemoryBus()) as dying:
        handle = next(one.handle for one in dying.subscriptions if one.message is ImageReady)
        working = asyncio.ensure_future(handle(message))
        await until_true(stage.begun)
        working.cancel()
        async with open_uploader(settings(stage), MemoryBus()) as other, running(other) as desk:
            await desk.bus.publish(message)
            await desk.until(lambda said: any(isinstance(one, ImageStored) for one in said), seconds=5)
    assert len(await stage.assets()) == 1


async def test_a_dead_image_says_that_it_failed(stage: Stage) -> None:
    wrong = ready(picture(1), byte_count=5)
    async with open_uploader(settings(stage), MemoryBus()) as service, running(service) as desk:
        await desk.bus.publish(await put(stage, wrong, picture(1)))
        await desk.until(lambda said: any(isinstance(one, ImageFailed) for one in said))
        await desk.bus.settled()
        assert await desk.bus.dead_letters() == {"uploader.ImageReady": 1}
    assert await stage.assets() == {}


async def test_a_deletion_travels_the_whole_way(stage: Stage) -> None:
    async with open_uploader(settings(stage), MemoryBus()) as service, running(service) as desk:
        await desk.bus.publish(await put(stage, ready(picture(1)), picture(1)))
        await desk.until(lambda said: any(isinstance(one, ImageStored) for one in said))
        await desk.bus.publish(DeleteImage(public_id=public_id(7)))
        await desk.until(lambda said: ImageDeleted(public_id=public_id(7)) in said)
    assert await stage.assets() == {}


FAULTS: list[dict[str, Any]] = [
    {"kind": "drop", "after_commit": True},
    {"kind": "drop"},
    {"kind": "html_502"},
    {"kind": "error_503", "after_commit": True},
    {"kind": "no_error_field"},
    {"kind": "limited_420"},
    {"kind": "latency", "delay_seconds": 0.2},
]


@pytest.mark.slow
async def test_two_replicas_under_faults_and_doubled_messages_store_every_image_once(
    each_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every delivery twice, in random order, a tenth of all calls going wrong in every way."""
    monkeypatch.setattr(policy, "PAUSES", (0.05, 0.1))
    for place, rule in enumerate(FAULTS):
        await each_stage.fault(**rule, calls=["upload"], every=10 + place, count=None)
    images = [(f"b{n % 5}", n // 5, n) for n in range(60)]
    messages: list[Message] = [
        await put(each_stage, ready(picture(n), batch_id=b, ordinal=o, index=100 + n), picture(n))
        for b, o, n in images
    ]
    messages += [reserved(f"b{n}", first=100, quantity=60) for n in range(5)]
    doubled = messages * 2
    random.Random(7).shuffle(doubled)
    bus = MemoryBus()
    async with (
        open_uploader(settings(each_stage), bus) as one,
        open_uploader(settings(each_stage), bus) as two,
        running(one, two) as desk,
    ):
        await desk.bus.publish(*doubled)
        await desk.until(lambda _: len(desk.stored()) == len(images))
        await desk.bus.settled()
        assert await desk.bus.dead_letters() == {}
    assets = await each_stage.assets()
    etags = {name: asset["etag"] for name, asset in assets.items()}
    assert etags == {public_id(100 + n): digest(picture(n)) for _, _, n in images}
    assert {asset["overwrites"] for asset in assets.values()} == {0}
    answers: dict[tuple[str, int], set[bytes]] = {}
    for said in desk.said:
        assert isinstance(said, ImageStored | IndicesReserved)
        if isinstance(said, ImageStored):
            answers.setdefault((said.batch_id, said.ordinal), set()).add(said.encode())
    assert {len(said) for said in answers.values()} == {1}


def test_calls_never_wait_for_bytes_or_books_and_few_more_images_are_held_than_are_sent() -> None:
    for uploads in range(1, 31):
        assert uploads < at_work(uploads) <= 1 + 1.5 * uploads


def test_alone_it_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BUS_URL", "DATABASE_URL", "BLOBS_URL", "CLOUDINARY_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BadSettings) as lacking:
        read(Settings)
    for name in ("BUS_URL", "DATABASE_URL", "BLOBS_URL", "CLOUDINARY_URL"):
        assert f"{name} is not set" in str(lacking.value)
