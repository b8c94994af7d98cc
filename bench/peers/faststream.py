"""FastStream: a subscriber and a publisher for each hop."""

import asyncio
import sys

from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue

from bench.peers.place import PREFETCH, URL, Item, Tally, drive

broker = RabbitBroker(
    URL, default_channel=Channel(prefetch_count=PREFETCH, on_return_raises=True), logger=None
)
app = FastStream(broker, logger=None)
TALLY = Tally()


def _queue(name: str) -> RabbitQueue:
    return RabbitQueue(f"faststream.{name}", queue_type=QueueType.QUORUM, durable=True)


@broker.subscriber(_queue("first"), ack_policy=AckPolicy.NACK_ON_ERROR)
@broker.publisher(_queue("second"), persist=True)
async def first(item: Item) -> Item:
    return item


@broker.subscriber(_queue("second"), ack_policy=AckPolicy.NACK_ON_ERROR)
@broker.publisher(_queue("third"), persist=True)
async def second(item: Item) -> Item:
    return item


@broker.subscriber(_queue("third"), ack_policy=AckPolicy.NACK_ON_ERROR)
async def third(_item: Item) -> None:
    TALLY.add()


async def send() -> None:
    await broker.connect()
    await drive(lambda item: broker.publish(item, queue="faststream.first", persist=True))


if __name__ == "__main__":
    asyncio.run(send() if "drive" in sys.argv else app.run())
