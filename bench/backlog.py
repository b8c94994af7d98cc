"""What `bench.growth` measures at the broker: a message that comes behind many others."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

from bench.beside import cpu_of
from bench.growing import Sizes, Works
from bench.nodes import Nodes
from contracts.commands import CancelBatch
from contracts.message import Message
from messaging.bus import Subscription
from messaging.rabbitmq import open_rabbitmq

#: Messages of a round, and those that are sent or handled at once.
MESSAGES, AT_ONCE = 500, 100


@asynccontextmanager
async def backlog(around: Nodes, sizes: Sizes) -> AsyncIterator[Works]:
    """So many go in and come out, and as many as before stay."""
    async with open_rabbitmq(around.bus_url(), "bench") as bus:
        fresh = count()

        async def send(quantity: int) -> None:
            for start in range(0, quantity, AT_ONCE):
                some = range(min(AT_ONCE, quantity - start))
                await bus.publish(*(CancelBatch(batch_id=f"b{next(fresh)}") for _ in some))

        async def take(quantity: int) -> None:
            left, done = quantity, asyncio.Event()

            async def handled(_: CancelBatch) -> Sequence[Message]:
                nonlocal left
                left -= 1
                if left <= 0:
                    done.set()
                return []

            async with bus.consuming([Subscription("renderer", CancelBatch, handled, prefetch=AT_ONCE)]):
                await done.wait()

        async def round_of() -> float:
            """Seconds of processor time, the broker's too."""
            before = time.process_time() + cpu_of(around.broker_pid())
            await send(MESSAGES)
            await take(MESSAGES)
            return time.process_time() + cpu_of(around.broker_pid()) - before

        # A queue makes its place at the first consumer.
        await send(AT_ONCE)
        await take(AT_ONCE)
        await send(sizes.backlog)
        yield {"messages, as the backlog grows": round_of}
