"""The bus: two connections, because a broker in need blocks the one that publishes, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import structlog
from aio_pika.abc import AbstractConnection

from contracts.message import Kind, Message
from messaging.bus import Subscription
from messaging.dead_letters import DeadLetters
from messaging.rabbitmq import topology
from messaging.rabbitmq.border import border
from messaging.rabbitmq.consumer import Consumer
from messaging.rabbitmq.dead import DeadLetterQueues
from messaging.rabbitmq.link import TIMEOUT, Address, Link
from messaging.rabbitmq.listener import Listener
from messaging.rabbitmq.publisher import Publisher

log = structlog.get_logger("messaging")

#: Seconds that entering `consuming` waits for its consumers; a broker that is away is waited for behind it.
BEGINNING = 10.0


class RabbitBus:
    """A `messaging.bus.Bus`; `open_rabbitmq` makes it."""

    def __init__(self, consuming: Link, publishing: Link, app_id: str, declare: bool) -> None:
        self._consuming = consuming
        self._publishing = publishing
        self._publisher = Publisher(publishing, app_id)
        self._declare = declare
        self._consumers: list[Consumer | Listener] = []
        self.dead: DeadLetters = DeadLetterQueues(consuming, self._publisher)

    async def publish(self, *messages: Message, traces: Sequence[str | None] = ()) -> None:
        await self._publisher.say(messages, traces=traces)

    @asynccontextmanager
    async def consuming(self, subscriptions: Sequence[Subscription[Any]]) -> AsyncIterator[None]:
        consumers = [self._consumer(subscription) for subscription in subscriptions]
        self._consumers += consumers
        for consumer in consumers:
            consumer.intake.start()
        try:
            await _begun(consumers)
            yield
        finally:
            await asyncio.gather(*(consumer.stop() for consumer in consumers))
            await asyncio.gather(*(consumer.end() for consumer in consumers))
            for consumer in consumers:
                self._consumers.remove(consumer)

    def trouble(self) -> str | None:
        troubles = (self._consuming.trouble, self._publishing.trouble)
        consumers = (consumer.intake.trouble for consumer in self._consumers)
        return next((trouble for trouble in (*troubles, *consumers) if trouble), None)

    async def dead_letters(self) -> Mapping[str, int]:
        """Raises Outage."""
        with border("counting dead letters"):
            async with asyncio.timeout(TIMEOUT):
                return await topology.dead_letters(await self._consuming.connection())

    async def depths(self, queues: Sequence[str]) -> Mapping[str, int]:
        """Raises Outage."""
        with border("counting messages"):
            async with asyncio.timeout(TIMEOUT):
                return await topology.depths(await self._consuming.connection(), queues)

    def _consumer(self, subscription: Subscription[Any]) -> Consumer | Listener:
        if subscription.message.kind is Kind.TRANSIENT:
            return Listener(subscription, self._consuming, self._publisher)
        return Consumer(subscription, self._consuming, self._publisher, self._declare)


@asynccontextmanager
async def open_rabbitmq(
    url: str, app_id: str, declare: bool = True, patience: float = inf
) -> AsyncIterator[RabbitBus]:
    """Waits, with log lines, for a broker that comes up later; after `patience` seconds the bus is open
    without it, as it is when a broker is lost. Raises Refused where it does not let us in, TopologyMismatch
    where it lacks what we may not declare, or has it otherwise.

    `declare` also puts the topology back after every reconnect; without it the broker is left as it is.
    """
    address = Address(url, app_id)
    consuming = Link(address, "consumes", _declaring() if declare else None)
    publishing = Link(address, "publishes")
    # One wait for both: where the first gave up, the second tries once.
    async with (
        consuming.opened(patience),
        publishing.opened(patience if consuming.connected else 0),
    ):
        # Where nobody is there to be asked yet, the consumers find out and say so.
        if not declare and consuming.connected:
            await topology.check(await consuming.connection())
        yield RabbitBus(consuming, publishing, app_id, declare)


def _declaring() -> Callable[[AbstractConnection], Awaitable[None]]:
    """At the start a topology of another make is refused. Later it is the work of another release, beside
    which this process goes on."""
    known = False

    async def declare(connection: AbstractConnection) -> None:
        nonlocal known
        await (topology.put_back if known else topology.declare)(connection)
        known = True

    return declare


async def _begun(consumers: Sequence[Consumer | Listener]) -> None:
    try:
        async with asyncio.timeout(BEGINNING):
            await asyncio.gather(*(consumer.intake.began.wait() for consumer in consumers))
    except TimeoutError:
        why = [consumer.intake.trouble for consumer in consumers if consumer.intake.trouble]
        log.warning("not every queue is consumed yet", reasons=why)
