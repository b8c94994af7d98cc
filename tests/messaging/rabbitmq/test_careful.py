"""What is no text where a text belongs costs one connection, not the message and not the others' work."""

import asyncio
import struct
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import pytest
from pamqp import commands, frame, header
from structlog.testing import capture_logs

from contracts.commands import OpenFolder
from contracts.topology import EXCHANGE
from messaging.bus import Subscription
from messaging.rabbitmq import open_rabbitmq
from messaging.rabbitmq.careful import readable
from tests.messaging.ear import Ear
from tests.messaging.raw import Post, RawClient
from tests.messaging.rig import Client

NO_TEXT = (b"STANDIN", b"\xff\xfe\xfd\x80\xc3\xff\xf5")
QUEUE = "indexer.OpenFolder"


def poisoned(folder: str, exchange: str = EXCHANGE, key: str = "OpenFolder.v1", **properties: Any) -> Post:
    return Post(exchange, key, OpenFolder(folder=folder).encode(), properties, [NO_TEXT])


NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAR_AWAY = (struct.pack(">Q", int(NOW.timestamp())), b"\xff" * 8)
#: A table in a table in a table: no client library could write it either.
TABLES = reduce(lambda inner, _: b"\x01aF" + struct.pack(">I", len(inner)) + inner, range(3000), b"")
FLAT = "P" * len(TABLES)
DEEP = (b"S" + struct.pack(">I", len(TABLES)) + FLAT.encode(), b"F" + struct.pack(">I", len(TABLES)) + TABLES)
#: By the folder that each asks for.
POISON = [
    poisoned("correlation id", correlation_id="STANDIN"),
    poisoned("content type", content_type="STANDIN"),
    poisoned("header's name", headers={"STANDIN": 1}),
    poisoned("header's value", headers={"traceparent": "STANDIN"}),
    Post(EXCHANGE, "OpenFolder.v1", OpenFolder(folder="time").encode(), {"timestamp": NOW}, [FAR_AWAY]),
    Post(EXCHANGE, "OpenFolder.v1", OpenFolder(folder="depth").encode(), {"headers": {"h": FLAT}}, [DEEP]),
    poisoned("type of a message put into the queue", exchange="", key=QUEUE, message_type="STANDIN"),
]


def injected(url: str, posts: list[Post]) -> None:
    with RawClient(url) as client:
        client.publish(posts)


async def test_a_message_with_properties_that_are_no_text_is_handled_as_one_without(
    declared_url: str, client: Client
) -> None:
    await asyncio.to_thread(injected, declared_url, POISON)
    ear = Ear()
    with capture_logs() as logs:
        async with (
            open_rabbitmq(declared_url, "tests", declare=False) as bus,
            bus.consuming([Subscription("indexer", OpenFolder, ear)]),
        ):
            heard = await ear.hears(len(POISON))
    assert {one.folder for one in heard} == {OpenFolder.decode(post.body).folder for post in POISON}
    assert await client.size(QUEUE) == await client.size(f"{QUEUE}.dead") == 0
    lost = [line for line in logs if line["event"] == "connection to the broker lost"]
    assert [line["purpose"] for line in lost] == ["consumes"]


async def test_a_route_that_is_no_text_dies_with_a_reason(declared_url: str, client: Client) -> None:
    await asyncio.to_thread(injected, declared_url, [poisoned("route", key="OpenFolder.STANDIN")])
    async with (
        open_rabbitmq(declared_url, "tests", declare=False) as bus,
        bus.consuming([Subscription("indexer", OpenFolder, Ear())]),
    ):
        letter = await client.get(f"{QUEUE}.dead")
    assert "unknown version 'OpenFolder.???????'" in str(letter.headers["x-last-error"])


@pytest.mark.parametrize(
    "method",
    [
        commands.Basic.Deliver("tag", 7, True, "STANDIN", "a.STANDIN"),
        commands.Basic.GetOk(7, False, "STANDIN", "a.STANDIN", 2),
    ],
    ids=lambda method: str(method.name),
)
def test_what_hands_a_message_over_keeps_its_number(method: Any) -> None:
    data = frame.marshal(method, 1).replace(*NO_TEXT)
    read: Any = frame.unmarshal(data[:7] + readable(data[:7], data[7:]))[2]
    assert (read.delivery_tag, read.redelivered) == (method.delivery_tag, method.redelivered)
    assert read.routing_key == "a.???????"


def test_what_can_be_read_stays_as_it_came() -> None:
    properties = commands.Basic.Properties(headers={"ö": "ü"}, correlation_id="b1")
    data = frame.marshal(header.ContentHeader(body_size=3, properties=properties), 1)
    assert readable(data[:7], data[7:]) == data[7:]
