"""Our own contestant: three subscriptions, the contracts' messages, the bus that the services have."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from bench.peers.place import PREFETCH, URL, Item, Tally, drive
from chassis import garbage, logs, loop
from contracts.commands import Character, GenerateBatch
from contracts.events import ImageReady, ImageStored
from contracts.message import Message
from messaging.bus import Bus, Subscription
from messaging.connect import open_bus

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
#: What the prompt adds to the first message, so that all three are of one size.
PROMPT = "portrait in opal light, " * 16


def asked(item: Item) -> GenerateBatch:
    return GenerateBatch(
        batch_id=item["batch_id"],
        username=item["username"],
        character=Character(**item["character"]),
        prompt=PROMPT,
        seed=item["seed"],
    )


def subscriptions(ended: Callable[[], None]) -> list[Subscription[Any]]:
    """Three hops through queues that the topology has, each with one reader."""

    async def first(message: GenerateBatch) -> Sequence[Message]:
        return [_ready(message)]

    async def second(message: ImageReady) -> Sequence[Message]:
        return [_stored(message)]

    async def third(_message: ImageStored) -> Sequence[Message]:
        ended()
        return ()

    return [
        Subscription("indexer", GenerateBatch, first, prefetch=PREFETCH),
        Subscription("uploader", ImageReady, second, prefetch=PREFETCH),
        Subscription("gateway", ImageStored, third, prefetch=PREFETCH),
    ]


def _ready(message: GenerateBatch) -> ImageReady:
    number = message.seed or 0
    return ImageReady(
        batch_id=message.batch_id,
        ordinal=0,
        round=1,
        index=number + 1,
        folder="Areg/characters/opal-fever/images",
        name=f"Areg_opal-fever_image_{number + 1}",
        username=message.username,
        character=message.character,
        md5="0123456789abcdef0123456789abcdef",
        byte_count=1_500_000,
        media_type="image/png",
        width=1024,
        height=1536,
        seed=number,
        used_embedding=False,
        backend="pod-1",
        queue_ms=0,
        gpu_ms=1000,
        blob_key=f"{message.batch_id}/0/1-0123456789abcdef0123456789abcdef",
    )


def _stored(message: ImageReady) -> ImageStored:
    return ImageStored(
        **dict(message),
        public_id=f"{message.folder}/{message.name}",
        url=f"https://res.cloudinary.com/darkroom/image/upload/v1/{message.folder}/{message.name}.png",
        version=1,
        placeholder=False,
        created_at=MOMENT,
    )


async def work() -> None:
    tally = Tally()
    async with open_bus(URL, "bench") as bus, bus.consuming(subscriptions(tally.add)):
        garbage.quiet()
        await asyncio.Event().wait()


async def send() -> None:
    async with open_bus(URL, "bench") as bus:
        await drive(lambda item: _publish(bus, item))


async def _publish(bus: Bus, item: Item) -> None:
    await bus.publish(asked(item))


if __name__ == "__main__":
    logs.configure("bench", "warning")
    loop.run(send() if "drive" in sys.argv else work())
