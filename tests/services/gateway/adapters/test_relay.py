"""Commands leave the outbox at once, and again when nobody answers."""

import asyncio
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
from services.gateway.adapters.relay import GROUP, Relay
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_outbox import SqlOutbox
from services.gateway.adapters.tables import OUTBOX
from tests.services.gateway.databases import rows
from tests.services.gateway.events import request


class Wire:
    """A bus that fails as often as it is told to, and keeps what it took."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self._changed = asyncio.Condition()
        self.taken: list[Message] = []
        self.traces: list[str | None] = []

    async def publish(self, *messages: Message, traces: Sequence[str | None] = ()) -> None:
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
