"""What the bus inside a process does beyond the promises of every bus."""

import asyncio
from typing import Any

from contracts.commands import OpenFolder
from contracts.events import FolderOpened
from contracts.transient import ChangesLogged
from messaging.bus import Subscription
from messaging.consumer import HINTS
from messaging.errors import TemporaryError
from messaging.memory import MemoryBus
from tests.messaging.ear import Door, Ear


async def test_settled_waits_for_what_is_queued_handled_and_waiting() -> None:
    bus, reader = MemoryBus(), Ear()
    again = Ear(TemporaryError("once"), [FolderOpened(folder="f", next_index=1)])
    subscriptions: list[Subscription[Any]] = [
        Subscription("indexer", OpenFolder, again),
        Subscription("uploader", FolderOpened, reader),
    ]
    async with bus.consuming(subscriptions):
        await bus.publish(OpenFolder(folder="f"))
        await bus.settled()
        assert (len(again.heard), len(reader.heard)) == (2, 1)


async def test_a_bus_that_nobody_used_is_settled() -> None:
    async with asyncio.timeout(1):
        await MemoryBus().settled()


async def test_the_oldest_of_too_many_hints_are_dropped() -> None:
    bus, door = MemoryBus(), Door()
    async with bus.consuming([Subscription("gateway", ChangesLogged, door, prefetch=1)]):
        await bus.publish(ChangesLogged(batch_id="first"))
        await door.hears()
        await bus.publish(*(ChangesLogged(batch_id=str(number)) for number in range(HINTS + 5)))
        door.opened.set()
        heard = await door.hears(HINTS + 1)
    assert [hint.batch_id for hint in heard] == ["first", *map(str, range(5, HINTS + 5))]
