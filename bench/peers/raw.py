"""Bare aio-pika: three consumers, a publish with confirm, an acknowledgement after it, and JSON."""

import asyncio
import json
import sys

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage

from bench.peers.place import PREFETCH, URL, Item, Tally, drive
from chassis import loop

QUEUES = ("raw.first", "raw.second", "raw.third")
TALLY = Tally()


async def _opened() -> tuple[AbstractChannel, AbstractExchange]:
    """A channel to consume on, and an exchange of another one to publish to."""
    connection = await aio_pika.connect_robust(URL)
    channel = await connection.channel()
    await channel.set_qos(PREFETCH)
    for name in QUEUES:
        await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
    publishing = await connection.channel(publisher_confirms=True, on_return_raises=True)
    return channel, publishing.default_exchange


async def _publish(exchange: AbstractExchange, queue: str, item: Item) -> None:
    body = json.dumps(item).encode()
    await exchange.publish(aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT), queue)


async def work() -> None:
    channel, exchange = await _opened()

    async def consume(queue: str, following: str | None) -> None:
        async def handle(message: AbstractIncomingMessage) -> None:
            item = json.loads(message.body)
            if following:
                await _publish(exchange, following, item)
            else:
                TALLY.add()
            await message.ack()

        await (await channel.get_queue(queue)).consume(handle)

    for queue, following in zip(QUEUES, (*QUEUES[1:], None), strict=True):
        await consume(queue, following)
    await asyncio.Event().wait()


async def send() -> None:
    _, exchange = await _opened()
    await drive(lambda item: _publish(exchange, QUEUES[0], item))


if __name__ == "__main__":
    loop.run(send() if "drive" in sys.argv else work())
