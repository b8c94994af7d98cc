"""Commands leave the outbox at once, and again when nobody answers."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import pytest

from chassis.database import Database
from contracts.commands import CancelBatch
from contracts.message import Message
from messaging import tracing
from messaging.bus import Subscription
from messaging.errors import Outage
from services.gateway.adapters import relay as module
from services.gateway.adapters import sql_outbox
from services.gateway.adapters.relay import GROUP, HANDED, Relay
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_outbox import SqlOutbox
from services.gateway.adapters.tables import OUTBOX
from services.gateway.ports import Due
from tests.services.gateway.databases import rows
from tests.services.gateway.events import request


class Wire:
    """A bus that fails as often as it is told to, and keeps what it took."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self._changed = asyncio.Condition()
        self.taken: list[Message] = []
        self.traces: list[str | None] = []
        #: Whether it takes anything now, and whether anything was brought to it.
        self.open, self.reached = asyncio.Event(), asyncio.Event()
        self.open.set()

    async def publish(self, *messages: Message, traces: Sequence[str | None] = ()) -> None:
        self.reached.set()
        await self.open.wait()
        if self._failures:
            raise self._failures.pop(0)
        async with self._changed:
            self.taken += messages
            self.traces += traces
            self._changed.notify_all()

    def consuming(self, subscriptions: Sequence[Subscription[Any]]) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def trouble(self) -> str | None:
        return None

    async def dead_letters(self) -> Mapping[str, int]:
        return {}

    async def until(self, enough: Callable[[list[Message]], bool]) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: enough(self.taken))


class Held:
    """A relay whose process dies with what it was handed."""

    def __init__(self) -> None:
        self.taken: list[Due] = []

    def turn(self) -> float:
        return HANDED

    def hand(self, accepted: Sequence[Due]) -> None:
        self.taken += accepted

    def ring(self) -> None:
        raise AssertionError("it has a turn")


@asynccontextmanager
async def running(database: Database, wire: Wire) -> AsyncIterator[Relay]:
    relay = Relay(SqlOutbox(database), wire)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()


async def sends(database: Database) -> list[int]:
    return [row.sends for row in await rows(database, OUTBOX)]


async def all_sent(database: Database, many: int) -> None:
    async with asyncio.timeout(20):
        # The relay tells nobody what it wrote.
        while await sends(database) != [1] * many:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def all_looked(relay: Relay) -> None:
    """It runs, and has looked into the outbox as it does at its start."""
    async with asyncio.timeout(20):
        # It tells nobody.
        while relay.turn() == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await relay.send_due() == 0


async def test_what_lies_in_the_outbox_is_sent_at_the_start_in_as_many_groups_as_it_takes(
    sqlite: Database,
) -> None:
    many = 2 * GROUP + 1
    for n in range(many):
        await SqlBatches(sqlite).cancel(f"b{n}")
    wire = Wire()
    async with running(sqlite, wire):
        await all_sent(sqlite, many)
    assert {message.id() for message in wire.taken} == {
        CancelBatch(batch_id=f"b{n}", round=1).id() for n in range(many)
    }
    assert len(wire.taken) == many


async def test_each_command_is_sent_in_the_trace_that_it_was_asked_for_in(sqlite: Database) -> None:
    batches, asked = SqlBatches(sqlite), []

    async def ask(n: int) -> None:
        with tracing.span("request"):
            asked.append(tracing.traceparent())
            # Together: they share a commit, and no trace.
            await batches.accept(request(f"b{n}"))
            await batches.cancel(f"b{n}")

    await asyncio.gather(*(ask(n) for n in range(4)))
    await SqlBatches(sqlite).cancel("untraced")
    wire = Wire()
    async with running(sqlite, wire):
        await all_sent(sqlite, 9)
    sent = Counter(wire.traces)
    assert sent.pop(None) == 1
    assert sent == dict.fromkeys(asked, 2)
    assert len(sent) == 4


async def test_the_bell_wakes_at_once(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 3600.0)
    wire = Wire()
    async with running(sqlite, wire) as relay:
        for n in range(3):
            await SqlBatches(sqlite).accept(request(f"b{n}"))
            relay.ring()
            await wire.until(lambda taken, n=n: len(taken) == n + 1)  # type: ignore[misc]
    assert wire.taken == [request(f"b{n}") for n in range(3)]


async def test_without_a_bell_the_outbox_is_looked_at_now_and_then(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK", 0.01)
    wire = Wire()
    async with running(sqlite, wire):
        await SqlBatches(sqlite).accept(request())
        await wire.until(lambda taken: taken == [request()])


async def test_while_the_broker_is_down_the_command_is_tried_at_every_look(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK", 0.01)
    await SqlBatches(sqlite).accept(request())
    wire = Wire(*[Outage("the broker is down")] * 3)
    async with running(sqlite, wire):
        await wire.until(lambda taken: taken == [request()])
        await all_sent(sqlite, 1)


async def test_what_is_handed_over_is_sent_without_being_looked_for(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK", 3600.0)
    wire = Wire()
    async with running(sqlite, wire) as relay:
        await all_looked(relay)
        with tracing.span("request"):
            asked = tracing.traceparent()
            await SqlBatches(sqlite, sender=relay).accept(request())
        # As long as it is in hand, nobody else finds it.
        assert await SqlOutbox(sqlite).due(time.time(), 10) == []
        await wire.until(lambda taken: taken == [request()])
        await all_sent(sqlite, 1)
    assert wire.traces == [asked]
    (row,) = await rows(sqlite, OUTBOX)
    assert row.next_at > row.created_at + 600


async def test_what_was_handed_over_is_due_at_once_when_the_broker_is_down(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK", 0.01)
    wire = Wire(*[Outage("the broker is down")] * 3)
    async with running(sqlite, wire) as relay:
        await all_looked(relay)
        await SqlBatches(sqlite, sender=relay).accept(request())
        async with asyncio.timeout(HANDED - 1):
            await wire.until(lambda taken: taken == [request()])
        await all_sent(sqlite, 1)


async def test_who_dies_with_a_command_in_hand_leaves_it_due_after_its_turn(database: Database) -> None:
    held = Held()
    await SqlBatches(database, lambda: 100.0, sender=held).accept(request())
    assert [each.command for each in held.taken] == [request()]
    outbox = SqlOutbox(database)
    assert await outbox.due(100.0 + HANDED - 1, 10) == []
    assert [each.command for each in await outbox.due(100.0 + HANDED, 10)] == [request()]


async def test_what_is_in_hand_at_the_stop_is_anybodys(sqlite: Database) -> None:
    wire = Wire()
    wire.open.clear()
    async with running(sqlite, wire) as relay:
        await all_looked(relay)
        batches = SqlBatches(sqlite, sender=relay)
        await batches.accept(request("on_its_way"))
        await wire.reached.wait()
        await batches.accept(request("in_hand"))
        assert await SqlOutbox(sqlite).due(time.time(), 10) == []
    assert [each.command for each in await SqlOutbox(sqlite).due(time.time(), 10)] == [request("in_hand")]


async def test_no_more_than_a_group_is_taken_in_hand(sqlite: Database) -> None:
    relay = Relay(SqlOutbox(sqlite), wire := Wire())
    assert relay.turn() == 0
    wire.open.clear()
    async with running(sqlite, wire) as relay:
        await all_looked(relay)
        batches = SqlBatches(sqlite, sender=relay)
        await batches.accept(request("first"))
        await wire.reached.wait()
        await asyncio.gather(*(batches.accept(request(f"b{n}")) for n in range(GROUP)))
        assert relay.turn() == 0
        await batches.accept(request("last"))
        assert [each.command for each in await SqlOutbox(sqlite).due(time.time(), 10)] == [request("last")]
        wire.open.set()
        await wire.until(lambda taken: len(taken) == GROUP + 1)


async def test_what_others_left_is_looked_for_while_much_is_handed_over(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK", 0.2)
    monkeypatch.setattr(module, "BREATH", 0.0)
    wire = Wire()
    async with running(sqlite, wire) as relay:
        await all_looked(relay)
        await SqlBatches(sqlite).accept(request("left"))
        batches = SqlBatches(sqlite, sender=relay)
        async with asyncio.timeout(20):
            turn = 0
            while request("left") not in wire.taken:
                await batches.accept(request(f"b{(turn := turn + 1)}"))


async def test_a_look_that_fails_by_a_bug_is_followed_by_others(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK", 0.01)
    monkeypatch.setattr(sql_outbox, "TURN", 0.05)
    await SqlBatches(sqlite).accept(request())
    wire = Wire(ValueError("a bug"))
    async with running(sqlite, wire):
        await wire.until(lambda taken: taken == [request()])
        await all_sent(sqlite, 1)


async def test_the_relay_ends_when_it_is_cancelled_together_with_the_bell(sqlite: Database) -> None:
    relay = Relay(SqlOutbox(sqlite), Wire())
    for _ in range(20):
        task = asyncio.create_task(relay.run())
        await asyncio.sleep(0.01)
        relay.ring()
        task.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
