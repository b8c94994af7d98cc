"""Queues that get other arguments, with all that lies in them, also where the move is cut off at any step."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count
from typing import Any

import aiormq.channel
import pytest
from aio_pika.abc import AbstractConnection

from contracts.commands import OpenFolder
from contracts.topology import EXCHANGE, WAITS, Place, places
from messaging.bus import Subscription
from messaging.dead_letters import Wanted
from messaging.errors import Outage, PermanentError
from messaging.rabbitmq import TopologyMismatch, moving, open_rabbitmq
from messaging.rabbitmq.errands import clashes, errand, is_there
from messaging.rabbitmq.hands import BESIDE
from messaging.rabbitmq.moving import move
from tests.messaging.ear import Ear
from tests.messaging.forwarder import Forwarder
from tests.messaging.rabbitmq.conftest import plain_client
from tests.messaging.rig import Client, RabbitRig, troubled, until, untroubled

PLACES = {place.name: place for place in places()}
OPENINGS = PLACES["indexer.OpenFolder"]
ROUTE = OpenFolder.route()
#: Seconds without a message that count as quiet, where nobody is left who could hold one.
QUIET = 0.3


def other(place: Place, limit: int = 77) -> Place:
    """As another release would have it."""
    return place._replace(arguments={**place.arguments, "x-delivery-limit": limit})


@asynccontextmanager
async def mover(url: str) -> AsyncIterator[AbstractConnection]:
    async with errand(url, "tests") as connection:
        yield connection


async def bodies(client: Client, queue: str) -> list[bytes]:
    """All that lies in it; it is empty then."""
    return [(await client.get(queue)).body for _ in range(await client.size(queue))]


async def sizes(client: Client, queue: str, wanted: int) -> None:
    async def so_many() -> bool:
        return await client.size(queue) == wanted

    await until(so_many)


@pytest.fixture
async def fresh(rabbitmq_url: str) -> AsyncIterator[RabbitRig]:
    """A topology of its own: these tests change it."""
    async with open_rabbitmq(rabbitmq_url, "tests") as bus, plain_client(rabbitmq_url) as client:
        yield RabbitRig(bus, client)


async def test_what_is_declared_is_what_no_queue_differs_from(fresh: RabbitRig, rabbitmq_url: str) -> None:
    async with mover(rabbitmq_url) as connection:
        for place in PLACES.values():
            assert await clashes(connection, place) is None
            assert await move(connection, place, QUIET) == 0
        said = await clashes(connection, other(OPENINGS))
    assert "inequivalent arg 'x-delivery-limit' for queue 'indexer.OpenFolder'" in str(said)


async def test_a_queue_gets_other_arguments_and_keeps_messages_order_and_words(
    fresh: RabbitRig, rabbitmq_url: str
) -> None:
    said = [OpenFolder(folder=f"f{number}").encode() for number in range(250)]
    for body in said:
        await fresh.client.put(ROUTE, body, EXCHANGE, message_id="mine", headers={"id": "x"}, type="Mine.v9")
    async with mover(rabbitmq_url) as connection:
        assert await move(connection, other(OPENINGS), QUIET) == 250
        assert await clashes(connection, other(OPENINGS)) is None
        assert not await is_there(connection, OPENINGS.name + BESIDE)
    first = await fresh.client.get(OPENINGS.name)
    # The route was the key; the type that a stranger wrote beside it never counted.
    assert (first.type, first.message_id, first.headers["id"]) == (ROUTE, "mine", "x")
    assert "x-moved-key" not in first.headers
    assert [first.body, *await bodies(fresh.client, OPENINGS.name)] == said
    await fresh.bus.publish(OpenFolder(folder="after"))
    assert await bodies(fresh.client, OPENINGS.name) == [OpenFolder(folder="after").encode()]


async def test_what_waits_for_its_return_is_moved_too_and_what_waits_for_others_goes_on_waiting(
    fresh: RabbitRig, rabbitmq_url: str
) -> None:
    wait = WAITS[2]
    await fresh.client.put(OPENINGS.name, b"ours", wait.exchange)
    await fresh.client.put("renderer.CancelBatch", b"theirs", wait.exchange)
    await sizes(fresh.client, wait.name, 2)
    async with mover(rabbitmq_url) as connection:
        assert await move(connection, other(OPENINGS), QUIET) == 1
    assert await bodies(fresh.client, OPENINGS.name) == [b"ours"]
    await sizes(fresh.client, wait.name, 1)


async def test_a_wait_queue_keeps_where_its_messages_go_back_to(fresh: RabbitRig, rabbitmq_url: str) -> None:
    long, short = PLACES["wait.60s"], PLACES["wait.1s"]
    sooner = long._replace(arguments={**short.arguments})
    await fresh.client.put(OPENINGS.name, b"comes back", long.exchange)
    async with mover(rabbitmq_url) as connection:
        assert await move(connection, sooner, QUIET) == 1
    again = await fresh.client.get(OPENINGS.name)
    assert (again.body, "x-moved-key" in again.headers) == (b"comes back", False)


async def test_dead_letters_keep_their_history_and_their_ids(fresh: RabbitRig, rabbitmq_url: str) -> None:
    ear = Ear(PermanentError("disk full"))
    async with fresh.bus.consuming([Subscription("indexer", OpenFolder, ear)]):
        await fresh.bus.publish(OpenFolder(folder="f"))
        await until(fresh.bus.dead_letters)
    before = (await fresh.bus.dead.find(Wanted(), 10)).letters
    async with mover(rabbitmq_url) as connection:
        assert await move(connection, other(PLACES["indexer.OpenFolder.dead"]), QUIET) == 1
    after = (await fresh.bus.dead.find(Wanted(), 10)).letters
    assert [(letter.id, letter.death) for letter in after] == [(letter.id, letter.death) for letter in before]


async def test_nothing_is_lost_of_what_is_said_meanwhile(fresh: RabbitRig, rabbitmq_url: str) -> None:
    said: list[OpenFolder] = []
    moved = asyncio.Event()

    async def says() -> None:
        for number in count():
            said.append(OpenFolder(folder=f"f{number}"))
            await fresh.bus.publish(said[-1])
            if moved.is_set():
                return
            # Enough to meet every step of a move, and few enough to be read in a moment.
            await asyncio.sleep(0.01)

    saying = asyncio.create_task(says())
    async with mover(rabbitmq_url) as connection:
        for limit in (77, 78):
            await move(connection, other(OPENINGS, limit), QUIET)
    moved.set()
    await saying
    assert set(await bodies(fresh.client, OPENINGS.name)) == {message.encode() for message in said}
    assert len(said) > 20


async def test_while_somebody_takes_from_it_a_queue_stays_as_it_is(
    fresh: RabbitRig, rabbitmq_url: str
) -> None:
    ear = Ear()
    async with (
        fresh.bus.consuming([Subscription("indexer", OpenFolder, ear)]),
        mover(rabbitmq_url) as connection,
    ):
        with pytest.raises(TopologyMismatch, match=r"somebody takes from indexer\.OpenFolder; stop them"):
            await move(connection, other(OPENINGS), QUIET)
        assert not await is_there(connection, OPENINGS.name + BESIDE)
        await fresh.bus.publish(OpenFolder(folder="f"))
        await ear.hears()


async def test_somebody_who_begins_to_take_in_the_middle_keeps_the_queue_from_being_deleted(
    fresh: RabbitRig, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear, taking = Ear(), AsyncExitStack()
    unbind = aiormq.channel.Channel.queue_unbind

    async def begun(*args: Any, **options: Any) -> Any:
        await taking.enter_async_context(fresh.bus.consuming([Subscription("indexer", OpenFolder, ear)]))
        return await unbind(*args, **options)

    async with mover(rabbitmq_url) as connection, taking:
        with monkeypatch.context() as patch:
            patch.setattr(aiormq.channel.Channel, "queue_unbind", begun)
            with pytest.raises(TopologyMismatch, match="somebody takes from"):
                await move(connection, other(OPENINGS), QUIET)
        await fresh.bus.publish(OpenFolder(folder="f"))
        await taking.aclose()
        assert await move(connection, other(OPENINGS), QUIET) == 1


async def test_a_process_of_the_older_release_that_puts_the_old_queue_back_is_named(
    fresh: RabbitRig, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is lost: once it is stopped, the same call finishes."""
    await fresh.bus.publish(OpenFolder(folder="f"))
    delete = aiormq.channel.Channel.queue_delete

    async def put_back(channel: Any, queue: str, *args: Any, **options: Any) -> Any:
        done = await delete(channel, queue, *args, **options)
        if queue == OPENINGS.name:
            await fresh.client.channel.declare_queue(queue, durable=True, arguments={**OPENINGS.arguments})
        return done

    async with mover(rabbitmq_url) as connection:
        with monkeypatch.context() as patch:
            patch.setattr(aiormq.channel.Channel, "queue_delete", put_back)
            with pytest.raises(TopologyMismatch, match="in the old way meanwhile"):
                await move(connection, other(OPENINGS), QUIET)
        assert await move(connection, other(OPENINGS), QUIET) == 1
    assert await bodies(fresh.client, OPENINGS.name) == [OpenFolder(folder="f").encode()]


async def test_a_process_of_the_older_release_goes_on_with_queues_of_the_newer(rabbitmq_url: str) -> None:
    """Also when it has lost its connection meanwhile, and would put its own topology back."""
    wire, ear = Forwarder(rabbitmq_url), Ear()
    async with wire.laid(), open_rabbitmq(wire.url, "older") as older:
        async with mover(rabbitmq_url) as connection:
            await move(connection, other(OPENINGS), QUIET)
        await wire.cut()
        await troubled(older)
        await untroubled(older)
        async with older.consuming([Subscription("indexer", OpenFolder, ear)]):
            await older.publish(OpenFolder(folder="f"))
            assert await ear.hears() == [OpenFolder(folder="f")]


class Cut:
    """Lets so many of a mover's words through to the broker, then cuts the wire, as SIGKILL does."""

    def __init__(self, wire: Forwarder, words: int) -> None:
        self._wire = wire
        self._left = words
        self.done = False

    def __call__(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def word(channel: Any, *args: Any, **options: Any) -> Any:
            if self._left == 0 and not self.done:
                self.done = True
                await self._wire.cut()
            self._left -= 1
            return await method(channel, *args, **options)

        return word


@pytest.mark.timeout(300)
async def test_a_move_that_is_cut_off_at_any_step_is_done_by_the_same_call_and_loses_nothing(
    fresh: RabbitRig, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    monkeypatch.setattr(moving, "QUIET_BESIDE", 0.1)
    wire, steps = Forwarder(rabbitmq_url), 0
    async with wire.laid():
        # Every step where there is time, else some all over the way.
        for steps in count(0, 1 if pytestconfig.getoption("--whole") else 7):
            place = other(OPENINGS, 100 + steps)
            said = {OpenFolder(folder=f"{steps}-{number}").encode() for number in range(3)}
            for body in said:
                await fresh.client.put(ROUTE, body, EXCHANGE)
            await fresh.client.put(OPENINGS.name, b"waits", WAITS[2].exchange)
            if not await _cut_off(wire, place, steps, monkeypatch):
                break
            async with mover(rabbitmq_url) as connection:
                await until(partial(_moved, connection, place))
                assert not await is_there(connection, place.name + BESIDE)
            assert set(await bodies(fresh.client, OPENINGS.name)) == said | {b"waits"}, steps
    assert steps > 30


async def _cut_off(wire: Forwarder, place: Place, steps: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the move was cut off after so many words; else it is done."""
    cut = Cut(wire, steps)
    async with mover(wire.url) as connection:
        with monkeypatch.context() as patch:
            for word in ("rpc", "basic_publish", "basic_ack"):
                patch.setattr(aiormq.channel.Channel, word, cut(getattr(aiormq.channel.Channel, word)))
            try:
                await move(connection, place, 0.1)
            except Outage:
                assert cut.done
            return cut.done


async def _moved(connection: AbstractConnection, place: Place) -> bool:
    """Once the broker has noticed that the other one is gone."""
    try:
        await move(connection, place, 0.1)
    except TopologyMismatch as why:
        if "somebody" not in str(why):
            raise
        return False
    return await clashes(connection, place) is None
