"""Taskiq on aio-pika: each task kicks the next one. Its worker's command line says to acknowledge late."""

import asyncio

from taskiq_aio_pika import AioPikaBroker, Queue

from bench.peers.place import PREFETCH, URL, Item, Tally, drive

broker = AioPikaBroker(URL, qos=PREFETCH).with_queues(
    *(Queue(name=f"taskiq.{name}") for name in ("first", "second", "third"))
)
TALLY = Tally()


@broker.task("third", queue_name="taskiq.third")
async def third(_item: Item) -> None:
    TALLY.add()


@broker.task("second", queue_name="taskiq.second")
async def second(item: Item) -> None:
    await third.kiq(item)


@broker.task("first", queue_name="taskiq.first")
async def first(item: Item) -> None:
    await second.kiq(item)


async def send() -> None:
    await broker.startup()
    await drive(first.kiq)


if __name__ == "__main__":
    asyncio.run(send())
