"""The handlers over the memory bus, with a peer who plays the indexer, the renderer and the uploader."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from chassis.database import Database
from contracts import topology
from contracts.commands import CancelBatch, GenerateBatch, RetryImages
from contracts.events import BatchFinished
from contracts.message import Message
from contracts.transient import ChangesLogged, RenderProgress, ServiceStatus
from messaging.bus import Subscription
from messaging.memory import MemoryBus
from services.gateway import handlers
from services.gateway.adapters.relay import Relay
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.sql_outbox import SqlOutbox
from services.gateway.adapters.stage import KnownFleet, LiveStage
from services.gateway.domain.batches import Batch
from services.gateway.domain.images import ImageState, Status
from tests.services.gateway.adapters.test_stage import progress, status
from tests.services.gateway.databases import commands
from tests.services.gateway.events import failed, rejected, request, reserved, stored
from tests.services.gateway.no_courier import NoCourier
from tests.services.gateway.readings import HANDLERS, read

Script = Callable[[Message], Sequence[Message]]


class Studio:
    """A gateway without HTTP, and the peer's script: what the rest of the system says to each command."""

    def __init__(self, database: Database, script: Script) -> None:
        self.bus = MemoryBus()
        self.batches = SqlBatches(database)
        self.stage, self.fleet = LiveStage(), KnownFleet()
        self.relay = Relay(SqlOutbox(database), self.bus)
        self.ends: list[BatchFinished] = []
        self._gallery = SqlGallery(database)
        self._script = script

    def subscriptions(self) -> list[Subscription[Any]]:
        grown = [
            Subscription("gateway", kind, partial(self._heard, partial(handler, gallery=self._gallery)))
            for kind, handler in HANDLERS.items()
        ]
        changed = partial(handlers.on_changes_logged, stage=self.stage, courier=NoCourier())
        hints: list[Subscription[Any]] = [
            Subscription("gateway", RenderProgress, partial(handlers.on_render_progress, stage=self.stage)),
            Subscription("gateway", ChangesLogged, changed),
            Subscription("gateway", ServiceStatus, partial(handlers.on_service_status, fleet=self.fleet)),
        ]
        others = [
            Subscription(queue.service, queue.message, self._answer)
            for queue in topology.QUEUES
            if queue.service != "gateway"
        ]
        return [*grown, *hints, *others]

    async def _heard(
        self, handle: Callable[[Message], Awaitable[Sequence[Message]]], message: Message
    ) -> Sequence[Message]:
        said = await handle(message)
        self.ends += [word for word in said if isinstance(word, BatchFinished)]
        return said

    async def _answer(self, message: Message) -> Sequence[Message]:
        return self._script(message)

    async def until(
        self, enough: Callable[[Batch, Sequence[ImageState]], bool], batch_id: str = "b1"
    ) -> None:
        """Waits as a caller of the API does, by the stage."""
        async with asyncio.timeout(20):
            with self.stage.listening(batch_id) as ear:
                while not ((known := await self.batches.find(batch_id, "Areg")) and enough(*known)):
                    await ear.news(60)


@asynccontextmanager
async def at_work(database: Database, script: Script) -> AsyncIterator[Studio]:
    studio = Studio(database, script)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(studio.bus.consuming(studio.subscriptions()))
        task = asyncio.create_task(studio.relay.run())
        try:
            yield studio
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await studio.bus.settled()


def ended(batch: Batch, _images: Sequence[ImageState]) -> bool:
    return batch.finished_at is not None


def good_and_bad(message: Message) -> Sequence[Message]:
    """The first image comes to be; the second is a placeholder at first, and comes to be when retried."""
    match message:
        case GenerateBatch(batch_id=batch_id):
            return [
                reserved(batch_id),
                stored(0, batch_id=batch_id),
                failed(1, follows=True, batch_id=batch_id),
                stored(1, placeholder=True, batch_id=batch_id),
            ]
        case RetryImages(batch_id=batch_id, round=round_):
            return [stored(1, round_, batch_id=batch_id)]
    return []


async def test_a_batch_that_is_accepted_goes_out_and_comes_to_its_end(database: Database) -> None:
    async with at_work(database, good_and_bad) as studio:
        await studio.batches.accept(request())
        studio.relay.ring()
        await studio.until(ended)
        await studio.bus.settled()
        (end,) = {end.id(): end for end in studio.ends}.values()
    assert (end.status, [result.status for result in end.results]) == (
        "partially_succeeded",
        ["succeeded", "placeholder"],
    )
    assert await commands(database) == []
    assert await studio.bus.dead_letters() == {}


async def test_a_retry_goes_out_and_ends_the_batch_once_more(database: Database) -> None:
    async with at_work(database, good_and_bad) as studio:
        await studio.batches.accept(request())
        studio.relay.ring()
        await studio.until(ended)
        assert await studio.batches.retry("b1", None) == 1
        studio.relay.ring()
        await studio.until(ended)
        await studio.bus.settled()
    assert {(end.round, end.status) for end in studio.ends} == {
        (1, "partially_succeeded"),
        (2, "succeeded"),
    }


async def test_a_cancelled_batch_ends_as_the_renderer_says(database: Database) -> None:
    def script(message: Message) -> Sequence[Message]:
        if isinstance(message, GenerateBatch):
            return [reserved(), stored(0)]
        return [failed(1, code="cancelled")] if isinstance(message, CancelBatch) else []

    async with at_work(database, script) as studio:
        await studio.batches.accept(request())
        studio.relay.ring()
        await studio.until(lambda _, images: [image.status for image in images][:1] == [Status.SUCCEEDED])
        await studio.batches.cancel("b1")
        studio.relay.ring()
        await studio.until(ended)
    assert (await read(database)).status == "canceled"
    assert await commands(database) == []


async def test_a_refused_batch_ends_with_the_reason(database: Database) -> None:
    def script(message: Message) -> Sequence[Message]:
        return [rejected(message.batch_id)] if isinstance(message, GenerateBatch) else []

    async with at_work(database, script) as studio:
        await studio.batches.accept(request())
        studio.relay.ring()
        await studio.until(ended)
        known = await studio.batches.find("b1", "Areg")
    assert known is not None
    assert known[0].rejected == rejected()
    assert [(end.status, end.results) for end in studio.ends] == [("failed", ())]


async def test_every_event_twice_and_at_once_is_the_same_batch(database: Database) -> None:
    async with at_work(database, lambda message: [*good_and_bad(message)] * 2) as studio:
        for batch_id in ("b1", "b2", "b3"):
            await studio.batches.accept(request(batch_id))
        studio.relay.ring()
        for batch_id in ("b1", "b2", "b3"):
            await studio.until(ended, batch_id)
        await studio.bus.settled()
    assert {end.batch_id for end in studio.ends} == {"b1", "b2", "b3"}
    assert {tuple(result.status for result in end.results) for end in studio.ends} == {
        ("succeeded", "placeholder")
    }
    assert await studio.bus.dead_letters() == {}


async def test_progress_and_status_are_shown_live(sqlite: Database) -> None:
    async with at_work(sqlite, lambda _: []) as studio:
        await studio.bus.publish(progress(step=5), status("one"))
        await studio.bus.settled()
        async with asyncio.timeout(20):
            # Nobody tells when a hint has been taken.
            while not (studio.stage.progress("b1", 0, 1) and studio.fleet.said()):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    assert studio.stage.progress("b1", 0, 1) == progress(step=5)
    assert list(studio.fleet.said()) == [("renderer", "one")]


@pytest.mark.parametrize("kind", HANDLERS)
def test_there_is_a_handler_for_every_event_that_the_gateway_reads(kind: type[Message]) -> None:
    assert set(topology.READERS["gateway"]) == {*HANDLERS, RenderProgress, ChangesLogged, ServiceStatus}
    assert kind in topology.READERS["gateway"]
