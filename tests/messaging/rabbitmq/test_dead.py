"""Dead letters on a broker: what only a broker can do to them."""

import asyncio
from typing import Any

import pytest
from aio_pika import DeliveryMode

from contracts.commands import OpenFolder
from contracts.topology import Queue
from messaging.bus import Subscription
from messaging.dead_letters import DeadLetter, Wanted
from messaging.errors import Outage
from messaging.rabbitmq import open_rabbitmq, walk
from tests.messaging.ear import Ear
from tests.messaging.forwarder import Forwarder
from tests.messaging.rabbitmq.conftest import plain_client
from tests.messaging.rig import Client, RabbitRig, until

OPENINGS = Queue("indexer", OpenFolder)
EVERY = Wanted()


async def lay(client: Client, count: int, **properties: Any) -> None:
    """As a release that wrote no history left them."""
    for number in range(count):
        headers = {"x-last-error": f"no {number}", "x-attempt": 1, "id": f"id-{number}"}
        body = OpenFolder(folder=f"f{number}").encode()
        said = {"headers": headers, "message_id": f"m{number}", "delivery_mode": DeliveryMode.PERSISTENT}
        await client.put(OPENINGS.dead, body, **{**said, **properties})

    async def there() -> bool:
        return await client.size(OPENINGS.dead) == count

    await until(there)


async def found(rabbit: RabbitRig, wanted: Wanted = EVERY) -> list[DeadLetter]:
    return list((await rabbit.bus.dead.find(wanted, 100)).letters)


async def test_a_walk_over_many_pages_sees_all_in_order_and_leaves_them_so(
    rabbit: RabbitRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "PAGE", 3)
    await lay(rabbit.client, 10)
    for _ in range(3):
        assert [letter.envelope.message_id for letter in await found(rabbit)] == [f"m{n}" for n in range(10)]
    replayed = await rabbit.bus.dead.replay(Wanted(reason="no 5"))
    assert replayed == ["indexer.OpenFolder:m5"]
    left = [letter.envelope.message_id for letter in await found(rabbit)]
    assert left == [f"m{n}" for n in range(10) if n != 5]
    assert len(await rabbit.bus.dead.replay(EVERY)) == 9
    bodies = [(await rabbit.client.get(OPENINGS.name)).body for _ in range(10)]
    assert {*bodies} == {OpenFolder(folder=f"f{n}").encode() for n in range(10)}


async def test_letters_without_a_name_or_a_history_are_found_too(rabbit: RabbitRig) -> None:
    await lay(rabbit.client, 2, headers={}, message_id=None)
    first, second = await found(rabbit)
    assert first.id != second.id
    assert (first.death.reason, first.died_at) == ("nobody wrote down why", None)
    assert await rabbit.bus.dead.drop(Wanted(ids=frozenset({first.id}))) == [first.id]
    assert await found(rabbit) == [second]


async def test_what_the_broker_gave_up_says_so_and_is_replayed_without_the_brokers_marks(
    rabbit: RabbitRig,
) -> None:
    await rabbit.client.put(
        OPENINGS.name, OpenFolder(folder="f").encode(), message_id="mine", type="OpenFolder.v1"
    )
    queue = await rabbit.client.channel.get_queue(OPENINGS.name, ensure=False)
    taken = await until(lambda: queue.get(fail=False))
    await taken.reject(requeue=False)

    async def dead() -> list[DeadLetter]:
        return await found(rabbit)

    (letter,) = await until(dead)
    assert letter.death.reason == "the broker gave it up: rejected"
    assert letter.died_at is not None
    await rabbit.bus.dead.replay(EVERY)
    again = await rabbit.client.get(OPENINGS.name)
    assert "x-death" not in again.headers
    assert "the broker gave it up: rejected" in str(again.headers["x-history"])
    assert (again.type, again.delivery_mode) == ("OpenFolder.v1", DeliveryMode.PERSISTENT)


async def test_looks_never_add_up_to_what_makes_the_broker_drop_a_letter(
    rabbit: RabbitRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.rabbitmq.dead.LOOKS", 3)
    await lay(rabbit.client, 2)
    before = await found(rabbit)
    for _ in range(12):
        await found(rabbit)
    counts = []
    for _ in range(2):
        message = await rabbit.client.get(OPENINGS.dead)
        counts.append(int(str(message.headers.get("x-delivery-count", 0))))
        assert f"indexer.OpenFolder:{message.message_id}" in {letter.id for letter in before}
    assert max(counts) <= 4


async def test_an_end_between_putting_back_and_taking_out_loses_nothing(
    wire: Forwarder, client: Client, declared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is in its queue before the letter is taken out of the others; a letter that is still there
    after the connection broke is replayed once more."""
    await lay(client, 1)
    settle = walk.Laid.settle

    async def cut_off(laid: walk.Laid) -> None:
        await wire.cut()
        await settle(laid)

    async with open_rabbitmq(wire.url, "tests", declare=False) as bus:
        monkeypatch.setattr(walk.Laid, "settle", cut_off)
        with pytest.raises(Outage):
            await bus.dead.replay(EVERY)
    assert await client.size(OPENINGS.name) == 1

    async def lies_there() -> bool:
        return await client.size(OPENINGS.dead) == 1

    await until(lies_there)
    monkeypatch.setattr(walk.Laid, "settle", settle)
    ear = Ear()
    async with (
        open_rabbitmq(declared_url, "tests", declare=False) as bus,
        bus.consuming([Subscription("indexer", OpenFolder, ear)]),
    ):
        assert len(await bus.dead.replay(EVERY)) == 1
        assert await ear.hears(2) == 2 * [OpenFolder(folder="f0")]


async def test_a_letter_whose_queue_is_gone_stays(rabbitmq_url: str) -> None:
    async with open_rabbitmq(rabbitmq_url, "tests") as bus, plain_client(rabbitmq_url) as client:
        await lay(client, 1)
        await client.channel.queue_delete(OPENINGS.name)
        with pytest.raises(Outage, match="is the topology declared"):
            await bus.dead.replay(EVERY)

        async def lies_there() -> bool:
            return await client.size(OPENINGS.dead) == 1

        await until(lies_there)


async def test_somebody_who_consumes_the_letters_is_named(
    rabbit: RabbitRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "PATIENCE", 0.3)
    await lay(rabbit.client, 1)
    queue = await rabbit.client.channel.get_queue(OPENINGS.dead, ensure=False)
    tag = await queue.consume(Ear().after)  # type: ignore[arg-type]
    with pytest.raises(Outage, match=r"somebody else consumes indexer\.OpenFolder\.dead"):
        await rabbit.bus.dead.find(EVERY, 10)
    await queue.cancel(tag)


async def test_two_processes_that_look_take_turns(rabbit: RabbitRig, declared_url: str) -> None:
    await lay(rabbit.client, 5)
    async with open_rabbitmq(declared_url, "other", declare=False) as other:
        for _ in range(5):
            seen = await asyncio.gather(rabbit.bus.dead.find(EVERY, 10), other.dead.find(EVERY, 10))
            assert [len(each.letters) for each in seen] == [5, 5]


async def test_without_a_broker_dead_letters_are_an_outage(
    wire: Forwarder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.rabbitmq.dead.TIMEOUT", 0.2)
    async with open_rabbitmq(wire.url, "tests", declare=False) as bus:
        await wire.remove()
        for call in (bus.dead.find(EVERY, 10), bus.dead.replay(EVERY), bus.dead.drop(EVERY)):
            with pytest.raises(Outage):
                await call
