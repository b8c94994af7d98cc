"""Publishing says the truth."""

import asyncio

import pytest

from contracts.commands import CancelBatch, OpenFolder
from contracts.events import BatchFinished
from contracts.topology import EXCHANGE, QUEUES
from contracts.transient import ChangesLogged
from messaging.errors import Outage, Unroutable
from messaging.rabbitmq import open_rabbitmq
from tests.messaging.forwarder import Forwarder
from tests.messaging.rabbitmq.conftest import plain_client
from tests.messaging.rig import Client, RabbitRig, troubled

CANCEL = CancelBatch(batch_id="b1")
FINISHED = BatchFinished(
    batch_id="b1",
    round=1,
    username="Areg",
    status="succeeded",
    succeeded=1,
    placeholders=0,
    failed=0,
    canceled=0,
    results=(),
)


async def test_trap_1_a_message_is_persistent_and_says_what_section_3_wants(rabbit: RabbitRig) -> None:
    await rabbit.bus.publish(CANCEL, CANCEL)
    one, other = [await rabbit.client.get("renderer.CancelBatch") for _ in range(2)]
    assert one.delivery_mode == 2
    assert (one.type, one.routing_key, one.app_id) == ("CancelBatch.v1", "CancelBatch.v1", "tests")
    assert (one.correlation_id, one.content_type) == ("b1", "application/json")
    assert one.timestamp is not None
    assert (one.body, one.headers["id"]) == (CANCEL.encode(), str(CANCEL.id()))
    assert one.headers.keys() <= {"id", "x-delivery-count"}
    assert one.message_id != other.message_id


async def test_trap_2_unroutable_messages_raise_even_several_at_once(rabbitmq_url: str) -> None:
    async with open_rabbitmq(rabbitmq_url, "tests") as bus, plain_client(rabbitmq_url) as client:
        await client.channel.queue_delete("indexer.OpenFolder")
        lost = OpenFolder(folder="f")
        ends = await asyncio.gather(*(bus.publish(lost) for _ in range(3)), return_exceptions=True)
        assert [type(end) for end in ends] == [Unroutable] * 3
        with pytest.raises(Unroutable, match=r"OpenFolder\.v1"):
            await bus.publish(CANCEL, lost, CANCEL)
        assert await client.size("renderer.CancelBatch") == 2


async def test_trap_10_a_missing_exchange_is_unroutable_and_publishing_goes_on_once_it_is_there(
    rabbitmq_url: str,
) -> None:
    async with open_rabbitmq(rabbitmq_url, "tests") as bus, plain_client(rabbitmq_url) as client:
        await client.channel.exchange_delete(EXCHANGE)
        with pytest.raises(Unroutable):
            await bus.publish(CANCEL)
        async with open_rabbitmq(rabbitmq_url, "somebody who declares"):
            await bus.publish(CANCEL)
        assert await client.size("renderer.CancelBatch") == 1


async def test_nobody_need_read_that_a_batch_is_finished(rabbit: RabbitRig) -> None:
    await rabbit.bus.publish(FINISHED)
    queue = await rabbit.client.channel.declare_queue(exclusive=True)
    await queue.bind(EXCHANGE, FINISHED.route())
    await rabbit.bus.publish(FINISHED)
    assert (await rabbit.client.get(queue.name)).delivery_mode == 2


async def test_a_transient_message_is_not_kept(rabbit: RabbitRig) -> None:
    queue = await rabbit.client.channel.declare_queue(exclusive=True)
    await queue.bind(EXCHANGE, ChangesLogged.route())
    await rabbit.bus.publish(ChangesLogged(batch_id="b1"))
    assert (await rabbit.client.get(queue.name)).delivery_mode == 1


async def test_trap_9_publishing_waits_for_a_connection_that_was_just_lost(
    wire: Forwarder, client: Client
) -> None:
    async with open_rabbitmq(wire.url, "tests", declare=False) as bus:
        await bus.publish(CANCEL)
        await wire.remove()
        await troubled(bus)
        publishing = asyncio.create_task(bus.publish(CANCEL))
        await wire.lay()
        await publishing
        assert await client.size("renderer.CancelBatch") == 2


async def test_trap_9_publishing_without_a_broker_is_an_outage_in_bounded_time(
    wire: Forwarder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.rabbitmq.publisher.TIMEOUT", 0.3)
    async with open_rabbitmq(wire.url, "tests", declare=False) as bus:
        await wire.remove()
        async with asyncio.timeout(3):
            with pytest.raises(Outage, match="publishing CancelBatch"):
                await bus.publish(*[CANCEL] * 30)


async def test_a_connection_lost_under_many_publishes_loses_none_in_silence(
    wire: Forwarder, client: Client
) -> None:
    """Whoever was told that his message is safe finds it; the others were told of an outage."""
    async with open_rabbitmq(wire.url, "tests", declare=False) as bus:
        sent = [asyncio.create_task(bus.publish(CancelBatch(batch_id=f"b{n}"))) for n in range(300)]
        await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
        await wire.cut()
        ends = await asyncio.gather(*sent, return_exceptions=True)
    safe = {f"b{n}" for n, end in enumerate(ends) if end is None}
    assert {type(end) for end in ends} <= {type(None), Outage}
    size = await client.size("renderer.CancelBatch")
    found = {(await client.get("renderer.CancelBatch")).correlation_id for _ in range(size)}
    assert safe <= found


async def test_every_durable_queue_takes_its_message(rabbit: RabbitRig) -> None:
    for queue in QUEUES:
        await rabbit.client.put(queue.message.route(), b"{}", EXCHANGE)
    for queue in QUEUES:
        assert await rabbit.client.size(queue.name) >= 1
