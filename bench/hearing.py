"""When messages went over the broker, for whoever measures from outside where the time goes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from contracts.message import Message
from contracts.topology import EXCHANGE

#: Seconds until what is still to be heard is missed.
PATIENCE = 10.0


@dataclass(frozen=True)
class Hearing:
    """Epoch seconds of the first copy of each, by routing key and batch."""

    at: dict[tuple[str, str], float] = field(default_factory=dict)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def of(self, batch_id: str, kinds: Sequence[type[Message]]) -> list[float]:
        """When each kind of message told of this batch. Raises TimeoutError where one never did."""
        asked = [(kind.route(), batch_id) for kind in kinds]
        async with asyncio.timeout(PATIENCE):
            while not all(each in self.at for each in asked):
                self.more.clear()
                await self.more.wait()
        return [self.at[each] for each in asked]

    async def hear(self, message: AbstractIncomingMessage) -> None:
        now, body = time.time(), json.loads(message.body)
        # A reservation names its batch in the request that it carries.
        batch_id = str(body.get("batch_id") or body["request"]["batch_id"])
        self.at.setdefault((str(message.routing_key), batch_id), now)
        self.more.set()


@asynccontextmanager
async def hearing(url: str, kinds: Sequence[type[Message]]) -> AsyncIterator[Hearing]:
    """From now on the broker sends copies of them here too, which nobody acknowledges."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        for kind in kinds:
            await queue.bind(EXCHANGE, kind.route())
        found = Hearing()
        await queue.consume(found.hear, no_ack=True)
        yield found
