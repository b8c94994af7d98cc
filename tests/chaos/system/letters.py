"""What the broker holds at the end, and what it was asked to keep copies of, read by a client of its own."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from tests.chaos.system.evidence import Key
from tests.distributed.wire import channel, taken
from tests.nodes.rabbitmq import OwnRabbitmq

EXCHANGE = "darkroom"
STORED, FINISHED = "spy.stored", "spy.finished"
SERVICES = ("gateway.", "indexer.", "renderer.", "uploader.", "wait.")


async def spy(url: str) -> None:
    """From now on the broker keeps a copy of what is told of stored images and finished batches."""
    async with channel(url) as opened:
        for queue, route in ((STORED, "ImageStored.*"), (FINISHED, "BatchFinished.*")):
            await (await opened.declare_queue(queue, durable=True)).bind(EXCHANGE, route)


def waiting(broker: OwnRabbitmq) -> dict[str, int]:
    """Messages that still wait, by durable queue, without the dead."""
    return {
        name: size
        for name, size in broker.queues().items()
        if size and name.startswith(SERVICES) and not name.endswith(".dead")
    }


async def dead(broker: OwnRabbitmq) -> list[tuple[str, bytes]]:
    """Queue and body of every dead letter; they are taken out."""
    queues = [name for name, size in broker.queues().items() if size and name.endswith(".dead")]
    return [(name, message.body) for name in queues for message in await taken(broker.url, name)]


async def told(url: str) -> tuple[dict[Key, Counter[tuple[str, str]]], Mapping[str, list[dict[str, Any]]]]:
    """Image -> how often each pair of public id and MD5 was told of its picture; batch -> all that was said
    of its end."""
    stored: dict[Key, Counter[tuple[str, str]]] = defaultdict(Counter)
    for message in await taken(url, STORED):
        said = json.loads(message.body)
        if not said["placeholder"]:
            stored[said["batch_id"], said["ordinal"]][said["public_id"], said["md5"]] += 1
    finished: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for message in await taken(url, FINISHED):
        said = json.loads(message.body)
        finished[said["batch_id"]].append(said)
    return stored, finished
