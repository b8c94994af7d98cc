"""`python -m bench.peers.hop BUS_URL`: the least that answers a batch.

Takes a `GenerateBatch`, says an `IndicesReserved` of the same size to the same queues, confirmed, and
acknowledges: numbers come from nowhere, nothing is kept, and what is wrong is not noticed.
"""

import asyncio
import json
import sys

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from chassis import loop
from contracts.commands import GenerateBatch
from contracts.events import IndicesReserved
from contracts.topology import EXCHANGE, Queue

PREFETCH = 200


async def work(url: str) -> None:
    connection = await aio_pika.connect_robust(url)
    channel = await connection.channel()
    await channel.set_qos(PREFETCH)
    publishing = await connection.channel(publisher_confirms=True, on_return_raises=True)
    exchange = await publishing.get_exchange(EXCHANGE, ensure=False)

    async def handle(message: AbstractIncomingMessage) -> None:
        request = json.loads(message.body)
        folder = f"{request['username']}/characters/{request['character']['id']}/images"
        quantity = request["quantity"]
        said = {
            "request": request,
            "folder": folder,
            "first": 1,
            "quantity": quantity,
            "next_index": 1 + quantity,
            "padding": 0,
        }
        answer = aio_pika.Message(json.dumps(said).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await exchange.publish(answer, IndicesReserved.route())
        await message.ack()

    await (await channel.get_queue(Queue("indexer", GenerateBatch).name, ensure=False)).consume(handle)
    await asyncio.Event().wait()


if __name__ == "__main__":
    loop.run(work(sys.argv[1]))
