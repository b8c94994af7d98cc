"""Verdicts carried out on a broker: nothing is lost, doubled in vain, or counted that was not an attempt."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from contracts.commands import CancelBatch, OpenFolder
from contracts.events import FolderOpened
from contracts.message import Message
from contracts.topology import EXCHANGE, Queue
from messaging.bus import Subscription
from messaging.errors import Later, PermanentError, TemporaryError
from messaging.rabbitmq import open_rabbitmq
from tests.messaging.ear import Door, Ear
from tests.messaging.forwarder import Forwarder
from tests.messaging.rabbitmq.conftest import plain_client
from tests.messaging.rig import Client, RabbitRig, attempted, troubled, until, untroubled
from tests.nodes.broker import Broker

OPEN = OpenFolder(folder="f")
OPENED = FolderOpened(folder="f", next_index=1)
INDEXER = Queue("indexer", OpenFolder)


def opening(ear: Ear, prefetch: int = 32) -> Subscription[OpenFolder]:
    return Subscription("indexer", OpenFolder, ear, prefetch=prefetch)


async def test_a_plain_client_needs_only_a_body_and_a_routing_key(rabbit: RabbitRig) -> None:
    """And the route survives the wait queue, where the routing key becomes the queue's name."""
    ear = Ear(TemporaryError("once"), PermanentError("seen"))
    async with rabbit.bus.consuming([opening(ear)]):
        await rabbit.client.put("OpenFolder.v1", OPEN.encode(), EXCHANGE)
        await ear.hears(2)
        letter = await rabbit.client.get(INDEXER.dead)
    assert letter.type == "OpenFolder.v1"
    assert letter.headers["x-queue"] == "indexer.OpenFolder"
    assert letter.headers.keys() - {"x-delivery-count"} == {
        "x-queue",
        "x-attempt",
        "x-first-seen",
        "x-last-error",
        "x-history",
        # Whoever did not say where in a trace he is begins one.
        "traceparent",
    }


async def test_a_delivery_is_one_task(rabbit: RabbitRig) -> None:
    made: list[str] = []

    def noted(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(work.__qualname__)
        return asyncio.Task(work, loop=loop, **options)

    ear = Ear()
    async with rabbit.bus.consuming([opening(ear)]):
        asyncio.get_running_loop().set_task_factory(noted)
        for _ in range(5):
            await rabbit.client.put("OpenFolder.v1", OPEN.encode(), EXCHANGE)
        await ear.hears(5)
        asyncio.get_running_loop().set_task_factory(None)
    assert made.count("Consumer._handle") == 5
    assert not [name for name in made if name.startswith("Intake.")]


async def test_a_plain_client_may_put_a_body_right_into_a_queue(rabbit: RabbitRig) -> None:
    ear = Ear(TemporaryError("once"))
    async with rabbit.bus.consuming([opening(ear)]):
        await rabbit.client.put(INDEXER.name, OPEN.encode())
        assert await ear.hears(2) == [OPEN, OPEN]


async def test_a_type_of_the_clients_own_does_not_hide_the_routing_key(rabbit: RabbitRig) -> None:
    ear = Ear()
    async with rabbit.bus.consuming([opening(ear)]):
        await rabbit.client.put("OpenFolder.v1", OPEN.encode(), EXCHANGE, type="com.example.Folder")
        assert await ear.hears() == [OPEN]


async def test_an_unknown_version_keeps_its_name_as_a_dead_letter(rabbit: RabbitRig) -> None:
    async with rabbit.bus.consuming([opening(Ear())]):
        await rabbit.client.put("OpenFolder.v7", b"{}", EXCHANGE)
        letter = await rabbit.client.get(INDEXER.dead)
    assert letter.type == "OpenFolder.v7"


async def test_what_follows_runs_once_the_broker_has_the_acknowledgement(
    rabbit: RabbitRig, rabbitmq_node: Broker, declared_url: str
) -> None:
    vhost = urlsplit(declared_url).path[1:]
    followed = asyncio.Event()

    async def gone() -> bool:
        return (await asyncio.to_thread(rabbitmq_node.queues, vhost))[INDEXER.name] == 0

    async def then(_: Message) -> None:
        await until(gone)
        followed.set()

    async with rabbit.bus.consuming([Subscription("indexer", OpenFolder, Ear(), then=then)]):
        await rabbit.bus.publish(OPEN)
        async with asyncio.timeout(20):
            await followed.wait()


async def test_trap_4_a_lost_connection_cancels_no_handler_and_its_delivery_comes_again(
    wire: Forwarder, client: Client
) -> None:
    door = Door()
    async with (
        open_rabbitmq(wire.url, "tests", declare=False) as bus,
        bus.consuming([opening(door, prefetch=2)]),
    ):
        await bus.publish(OPEN)
        await door.hears()
        await wire.cut()
        await door.hears(2)
        assert door.left == []
        door.opened.set()
        await bus.publish(CancelBatch(batch_id="b1"))
    assert door.left == [OPEN, OPEN]
    assert await client.size(INDEXER.name) == await client.size(INDEXER.dead) == 0


async def test_a_lost_connection_makes_no_more_handlers_than_allowed(wire: Forwarder, client: Client) -> None:
    door = Door()
    async with (
        open_rabbitmq(wire.url, "tests", declare=False) as bus,
        bus.consuming([opening(door, prefetch=1)]),
    ):
        await bus.publish(OPEN)
        await door.hears()
        await wire.remove()
        await troubled(bus)
        await wire.lay()
        await bus.publish(OPEN)
        await untroubled(bus)
        assert len(door.heard) == 1
        door.opened.set()
        await door.hears(3)


async def test_what_a_lost_connection_interrupted_is_all_handled_in_the_end(
    wire: Forwarder, client: Client
) -> None:
    ear = Ear()
    batches = {f"b{number}" for number in range(200)}
    async with (
        open_rabbitmq(wire.url, "tests", declare=False) as bus,
        bus.consuming([Subscription("renderer", CancelBatch, ear)]),
    ):
        publishing = asyncio.create_task(bus.publish(*(CancelBatch(batch_id=batch) for batch in batches)))
        await ear.hears(20)
        await wire.cut()
        await asyncio.gather(publishing, return_exceptions=True)

        async def all_heard() -> bool:
            missing = batches - {message.batch_id for message in ear.heard}
            await attempted(bus, *(CancelBatch(batch_id=batch) for batch in missing))
            return not missing

        await until(all_heard)


async def test_trap_7_a_queue_deleted_under_its_consumer_is_consumed_again(
    rabbitmq_url: str,
) -> None:
    ear = Ear()
    async with (
        open_rabbitmq(rabbitmq_url, "tests") as bus,
        plain_client(rabbitmq_url) as client,
        bus.consuming([opening(ear)]),
    ):
        await client.channel.queue_delete(INDEXER.name)

        await until(lambda: attempted(bus, OPEN))
        assert await ear.hears() == [OPEN]

        async def well() -> bool:
            return bus.trouble() is None

        await until(well)


async def test_a_service_that_may_not_declare_waits_for_its_deleted_queue_and_says_so(
    rabbitmq_url: str,
) -> None:
    async with (
        open_rabbitmq(rabbitmq_url, "declares"),
        open_rabbitmq(rabbitmq_url, "tests", declare=False) as bus,
        plain_client(rabbitmq_url) as client,
        bus.consuming([opening(ear := Ear())]),
    ):
        await client.channel.queue_delete(INDEXER.name)

        async def trouble() -> bool:
            return "indexer.OpenFolder is not consumed" in (bus.trouble() or "")

        await until(trouble)
        async with open_rabbitmq(rabbitmq_url, "declares again"):
            await bus.publish(OPEN)
        assert await ear.hears() == [OPEN]


async def test_trap_11_a_long_wait_does_not_hold_up_a_short_one(rabbit: RabbitRig) -> None:
    ear = Ear(Later("long", delay=10), Later("short", delay=1))
    async with rabbit.bus.consuming([opening(ear)]):
        await rabbit.bus.publish(OpenFolder(folder="long"))
        await ear.hears()
        await rabbit.bus.publish(OpenFolder(folder="short"))
        heard = await ear.hears(3)
    assert [message.folder for message in heard] == ["long", "short", "short"]
    assert ear.times[2] - ear.times[1] < 5
    assert await rabbit.client.size("wait.10s") == 1


async def test_trap_12_a_delivery_may_wait_in_the_same_queue_as_often_as_it_takes(rabbit: RabbitRig) -> None:
    """The broker drops what its own record of dead letters, `x-death`, shows to go round in circles."""
    ear = Ear(Later("1"), Later("2"), PermanentError("enough"))
    async with rabbit.bus.consuming([opening(ear)]):
        await rabbit.client.put(INDEXER.name, OPEN.encode(), headers={"x-death": [{"queue": "wait.1s"}]})
        await ear.hears(3)
        letter = await rabbit.client.get(INDEXER.dead)
    assert "x-death" not in letter.headers
    assert letter.headers["x-attempt"] == 1


async def test_trap_6_a_delivery_that_came_back_twenty_times_is_refused_with_a_reason(
    rabbit: RabbitRig,
) -> None:
    ear = Ear()
    await rabbit.bus.publish(OPEN)
    queue = await rabbit.client.channel.get_queue(INDEXER.name, ensure=False)
    for _ in range(20):
        message = await until(lambda: queue.get(fail=False))
        await message.nack(requeue=True)
    async with rabbit.bus.consuming([opening(ear)]):
        letter = await rabbit.letter(INDEXER)
    assert letter.reason == "came back 20 times without an answer; its consumers died or froze"
    assert ear.heard == []


async def test_a_count_of_returns_that_came_with_the_message_is_not_the_brokers(rabbit: RabbitRig) -> None:
    ear = Ear()
    async with rabbit.bus.consuming([opening(ear)]):
        await rabbit.client.put(INDEXER.name, OPEN.encode(), headers={"x-delivery-count": 99})
        assert await ear.hears() == [OPEN]


async def test_what_was_said_is_owed_until_a_queue_takes_it(rabbitmq_url: str) -> None:
    ear, reader = Ear(*3 * [[OPENED]]), Ear()
    async with open_rabbitmq(rabbitmq_url, "tests") as bus, plain_client(rabbitmq_url) as client:
        await client.channel.queue_delete("uploader.FolderOpened")
        async with bus.consuming([opening(ear)]):
            await bus.publish(OPEN)
            await ear.hears(2)
            async with bus.consuming([Subscription("uploader", FolderOpened, reader)]):
                assert await reader.hears() == [OPENED]
        assert await client.size(INDEXER.dead) == 0


async def test_a_wait_queue_that_is_gone_loses_nothing(rabbitmq_url: str) -> None:
    """The delivery is held, and sent to wait once the queue is back."""
    ear = Ear(TemporaryError("once"))
    async with open_rabbitmq(rabbitmq_url, "tests") as bus, plain_client(rabbitmq_url) as client:
        await client.channel.queue_delete("wait.1s")
        async with bus.consuming([opening(ear)]):
            await bus.publish(OPEN)
            await ear.hears()
            async with open_rabbitmq(rabbitmq_url, "declares"):
                assert await ear.hears(2) == [OPEN, OPEN]


async def test_something_that_cannot_be_sent_is_an_attempt(rabbit: RabbitRig) -> None:
    ear = Ear(["not a message"])  # type: ignore[list-item]
    async with rabbit.bus.consuming([opening(ear)]):
        await rabbit.client.put(INDEXER.name, OPEN.encode(), headers={"x-attempt": 9})
        letter = await rabbit.letter(INDEXER)
    assert letter.headers["x-attempt"] == 10
    assert "AttributeError" in letter.reason


async def test_trap_3_a_handler_that_does_not_end_is_cancelled_and_its_delivery_goes_back(
    rabbit: RabbitRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.rabbitmq.workers.PATIENCE", 0.1)
    door, ear = Door(), Ear()
    async with rabbit.bus.consuming([opening(door)]):
        await rabbit.bus.publish(OPEN)
        await door.hears()
    assert door.left == []
    async with rabbit.bus.consuming([opening(ear)]):
        assert await ear.hears() == [OPEN]
