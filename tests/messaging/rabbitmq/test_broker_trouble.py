"""A broker that is killed, restarted, or out of memory."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.commands import CancelBatch, OpenFolder
from contracts.events import FolderOpened
from contracts.transient import ChangesLogged
from messaging.bus import Subscription
from messaging.errors import Outage
from messaging.rabbitmq import open_rabbitmq
from tests.messaging.ear import Ear
from tests.messaging.rig import attempted, until, untroubled
from tests.nodes.rabbitmq import OwnRabbitmq

OPENED = FolderOpened(folder="f", next_index=1)

pytestmark = pytest.mark.slow


async def test_kill_9_of_the_broker_loses_nothing_and_everybody_comes_back(
    broker_to_break: OwnRabbitmq,
) -> None:
    cancelling, work, hints = Ear(), Ear(), Ear()
    cancels = [CancelBatch(batch_id=f"b{number}") for number in range(100)]
    reading: list[Subscription[Any]] = [
        Subscription("indexer", OpenFolder, work),
        Subscription("gateway", ChangesLogged, hints),
    ]
    async with open_rabbitmq(broker_to_break.url, "tests") as bus, bus.consuming(reading):
        await bus.publish(*cancels)
        await broker_to_break.kill()
        await broker_to_break.start()
        await untroubled(bus)
        await bus.publish(OpenFolder(folder="f"))
        await work.hears()

        async def heard() -> bool:
            await attempted(bus, ChangesLogged(batch_id="b1"))
            return bool(hints.heard)

        await until(heard)
        async with bus.consuming([Subscription("renderer", CancelBatch, cancelling)]):
            found = await cancelling.hears(100)
    assert {message.batch_id for message in found} == {message.batch_id for message in cancels}


async def test_trap_8_an_alarm_makes_publishing_an_outage_and_loses_nothing(
    broker_to_break: OwnRabbitmq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.rabbitmq.publisher.TIMEOUT", 1.0)
    work, reader = Ear([OPENED], [OPENED]), Ear()
    reading: list[Subscription[Any]] = [
        Subscription("indexer", OpenFolder, work),
        Subscription("uploader", FolderOpened, reader),
    ]
    async with open_rabbitmq(broker_to_break.url, "tests") as bus:
        await bus.publish(OpenFolder(folder="f"))
        await asyncio.to_thread(broker_to_break.raise_memory_alarm)
        try:
            async with asyncio.timeout(5):
                with pytest.raises(Outage):
                    await bus.publish(OpenFolder(folder="late"))

            async def blocked() -> bool:
                return "alarm" in (bus.trouble() or "")

            await until(blocked)
            async with asyncio.timeout(5):
                assert await bus.dead_letters() == {}
            async with bus.consuming(reading[:1]):
                # What it says cannot be published: the delivery stays unanswered and is not lost.
                await work.hears()
            assert reader.heard == []
        finally:
            await asyncio.to_thread(broker_to_break.clear_memory_alarm)
        await untroubled(bus)
        async with bus.consuming(reading):
            await bus.publish(OpenFolder(folder="after"))
            await work.hears(3)
            await reader.hears()


async def test_trap_8_a_delivery_that_meets_an_alarm_is_held_and_answered_when_it_ends(
    broker_to_break: OwnRabbitmq, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given back, it would be counted as returned, and refused after twenty times."""
    monkeypatch.setattr("messaging.rabbitmq.publisher.TIMEOUT", 0.2)
    work, reader = Ear(*3 * [[OPENED]]), Ear()
    reading: list[Subscription[Any]] = [
        Subscription("indexer", OpenFolder, work),
        Subscription("uploader", FolderOpened, reader),
    ]
    async with open_rabbitmq(broker_to_break.url, "tests") as bus:
        await bus.publish(OpenFolder(folder="f"))
        await asyncio.to_thread(broker_to_break.raise_memory_alarm)
        try:
            with capture_logs() as logs:
                async with bus.consuming(reading):

                    async def tried_again() -> bool:
                        tried = [line for line in logs if line["event"] == "an answer cannot be published"]
                        return len(tried) > 1

                    await until(tried_again)
                    assert len(work.heard) == 1
                    await asyncio.to_thread(broker_to_break.clear_memory_alarm)
                    await reader.hears()
        finally:
            await asyncio.to_thread(broker_to_break.clear_memory_alarm)
        assert await bus.dead_letters() == {}


async def test_a_frozen_broker_makes_publishing_an_outage_and_leaving_ends(
    broker_to_break: OwnRabbitmq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.rabbitmq.publisher.TIMEOUT", 0.3)
    monkeypatch.setattr("messaging.rabbitmq.bus.TIMEOUT", 0.3)
    monkeypatch.setattr("messaging.rabbitmq.intake.STOPPING", 0.3)
    try:
        async with (
            asyncio.timeout(10),
            open_rabbitmq(broker_to_break.url, "tests") as bus,
            bus.consuming([Subscription("renderer", CancelBatch, Ear())]),
        ):
            broker_to_break.pause()
            with pytest.raises(Outage, match="no answer from the broker in time"):
                await bus.publish(OpenFolder(folder="f"))
            with pytest.raises(Outage, match="counting dead letters"):
                await bus.dead_letters()
    finally:
        broker_to_break.resume()
