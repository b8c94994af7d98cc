"""A bus on a bench: what any client could put into its queues, and what lies in its dead letters."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import aio_pika
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import QueueEmpty

from contracts.message import Message
from contracts.topology import EXCHANGE, QUEUES, WAITS, Queue
from messaging.bus import Bus
from messaging.envelope import Envelope
from messaging.errors import Outage
from messaging.memory import MemoryBus
from tests.messaging.ear import WITHIN_SECONDS


class Letter(NamedTuple):
    body: bytes
    headers: Mapping[str, Any]

    @property
    def reason(self) -> str:
        return str(self.headers["x-last-error"])


class Rig(Protocol):
    @property
    def bus(self) -> Bus: ...

    async def inject(
        self, queue: Queue, body: bytes, headers: Mapping[str, Any] | None = None, route: str | None = None
    ) -> None: ...

    async def letter(self, queue: Queue) -> Letter:
        """The oldest dead letter, once there is one; it is taken out."""
        ...


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """What the condition gives, once it is true."""
    async with asyncio.timeout(WITHIN_SECONDS):
        while True:
            if value := await condition():
                return value
            await asyncio.sleep(0.02)


async def troubled(bus: Bus) -> None:
    """Returns once the bus knows that it is in trouble."""

    async def trouble() -> str | None:
        return bus.trouble()

    await until(trouble)


async def untroubled(bus: Bus) -> None:
    """Returns once the bus knows of no trouble."""

    async def none() -> bool:
        return bus.trouble() is None

    await until(none)


async def attempted(bus: Bus, *messages: Message) -> bool:
    """Publishes once, whatever happens. False after an outage: then it may be there or not."""
    try:
        await bus.publish(*messages)
    except Outage:
        return False
    return True


class MemoryRig:
    def __init__(self) -> None:
        self.bus = MemoryBus()
        self._taken = 0

    async def inject(
        self, queue: Queue, body: bytes, headers: Mapping[str, Any] | None = None, route: str | None = None
    ) -> None:
        await self.bus.inject(queue, Envelope.read(route or queue.message.route(), body, headers or {}))

    async def letter(self, queue: Queue) -> Letter:
        async def more() -> Any:
            return self.bus.letters(queue)[self._taken :]

        envelope = (await until(more))[0]
        self._taken += 1
        return Letter(envelope.body, envelope.headers())


class Client:
    """A client of the broker that knows nothing of us."""

    def __init__(self, channel: AbstractChannel) -> None:
        self.channel = channel

    async def put(self, key: str, body: bytes, exchange: str = "", **properties: Any) -> None:
        await aio_pika.Exchange(self.channel, exchange).publish(aio_pika.Message(body, **properties), key)

    async def get(self, queue: str) -> aio_pika.abc.AbstractIncomingMessage:
        """The oldest message, once there is one; it is taken out."""

        async def taken() -> aio_pika.abc.AbstractIncomingMessage | None:
            with suppress(QueueEmpty):
                return await (await self.channel.get_queue(queue, ensure=False)).get(no_ack=True)
            return None

        message: aio_pika.abc.AbstractIncomingMessage = await until(taken)
        return message

    async def size(self, queue: str) -> int:
        """Messages that wait in it."""
        declared = await self.channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0

    async def empty(self) -> None:
        """Nothing of an earlier test is left in any queue of ours."""
        names = [name for queue in QUEUES for name in (queue.name, queue.dead)]
        for name in (*names, *(wait.name for wait in WAITS)):
            await (await self.channel.get_queue(name, ensure=False)).purge()


class RabbitRig:
    def __init__(self, bus: Bus, client: Client) -> None:
        self.bus = bus
        self.client = client

    async def inject(
        self, queue: Queue, body: bytes, headers: Mapping[str, Any] | None = None, route: str | None = None
    ) -> None:
        if route:
            await self.client.put(route, body, EXCHANGE, headers=dict(headers or {}))
        else:
            await self.client.put(queue.name, body, headers=dict(headers or {}))

    async def letter(self, queue: Queue) -> Letter:
        message = await self.client.get(queue.dead)
        return Letter(message.body, message.headers)
