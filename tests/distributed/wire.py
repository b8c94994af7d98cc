"""Whoever talks to the broker without any code of ours: puts messages in, and listens at its exchanges."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from contracts.topology import EXCHANGE, QUEUES, WAITS
from tests.journeys.waiting import until

ROUTE = "GenerateBatch.v1"
#: Copies of everything that was asked for, and of every delivery that was put back.
ASKED, RETURNED = "spy.asked", "spy.returned"


@asynccontextmanager
async def channel(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url) as connection:
        yield await connection.channel(publisher_confirms=True, on_return_raises=True)


async def inject(url: str, bodies: Sequence[Mapping[str, Any]]) -> None:
    """All at once; a message is its body and its routing key, and nothing else."""
    async with channel(url) as opened:
        exchange = await opened.get_exchange(EXCHANGE, ensure=False)
        messages = [aio_pika.Message(json.dumps(body).encode()) for body in bodies]
        await asyncio.gather(*(exchange.publish(message, ROUTE) for message in messages))


async def spy(url: str) -> None:
    """From now on the broker keeps copies, also over its own end."""
    async with channel(url) as opened:
        commands = await opened.declare_queue(ASKED, durable=True)
        await commands.bind(EXCHANGE, "GenerateBatch.*")
        returned = await opened.declare_queue(RETURNED, durable=True)
        for wait in WAITS:
            await returned.bind(wait.exchange, "#")


async def taken(url: str, queue: str, count: int | None = None) -> list[AbstractIncomingMessage]:
    """`count` messages out of this queue, once it has had so many; all that lie there now without it."""
    async with channel(url) as opened:
        source = await opened.get_queue(queue)
        found: list[AbstractIncomingMessage] = []

        async def enough() -> bool:
            while message := await source.get(no_ack=True, fail=False):
                found.append(message)
            return count is None or len(found) >= count

        await until(enough)
    return found


async def asked(url: str) -> Counter[str]:
    """Batch id -> how often its GenerateBatch went over the exchange."""
    return Counter(json.loads(message.body)["batch_id"] for message in await taken(url, ASKED))


async def burnt_attempts(url: str) -> list[str]:
    """Deliveries that were put back as an attempt of their own fault."""
    return [
        f"{message.routing_key}: {message.headers.get('x-last-error')!r}"
        for message in await taken(url, RETURNED)
        if message.headers.get("x-attempt")
    ]


async def dead_letters(url: str) -> dict[str, str]:
    """Queue -> why the oldest of its dead letters died."""
    found = {}
    async with channel(url) as opened:
        for queue in QUEUES:
            if message := await (await opened.get_queue(queue.dead)).get(no_ack=True, fail=False):
                found[queue.name] = str(message.headers.get("x-last-error"))
    return found
