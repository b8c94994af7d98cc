"""The hands of a move: what they take from one queue they put into the other, and let go only then."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from copy import copy

from aio_pika.abc import AbstractChannel as Channel
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused
from pamqp.commands import Basic

from contracts.topology import DEAD_EXCHANGE, EXCHANGE, Place
from messaging.errors import Outage
from messaging.rabbitmq.border import TopologyMismatch, border
from messaging.rabbitmq.link import TIMEOUT

#: What the name of the queue beside ends with.
BESIDE = ".moving"
#: Messages on their way at once.
PAGE = 200
#: The routing key that a message came with, on its way round.
_KEY = "x-moved-key"
#: What the broker counts anew; and `x-death`, without which only dead letters lose something: their reason.
_MARKS = ("x-delivery-count", "x-acquired-count")

Put = Callable[[DeliveredMessage], Awaitable[None]]


class Hands:
    """Takes from one queue of a move and puts into the other, on channels of their own."""

    def __init__(self, connection: AbstractConnection, place: Place) -> None:
        self._connection = connection
        self._place = place
        self._stack = AsyncExitStack()
        self._taken: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
        self.taking: AbstractChannel
        self._putting: AbstractChannel

    async def __aenter__(self) -> "Hands":
        self.taking = await self._channel(confirms=False)
        self._putting = await self._channel(confirms=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def take(self, queue: str) -> None:
        """Begins to take, alone. Raises TopologyMismatch where that can't be."""
        await self.taking.basic_qos(prefetch_count=PAGE, timeout=TIMEOUT)
        try:
            # Keeps a second mover away; others have to be counted.
            await self.taking.basic_consume(queue, self._taken.put, exclusive=True, timeout=TIMEOUT)
        except ChannelAccessRefused as error:
            raise TopologyMismatch(
                f"somebody else moves {queue} ({error}); wait for the end of it"
            ) from error
        await self.alone(queue)

    async def alone(self, queue: str) -> None:
        """Raises TopologyMismatch where somebody else takes from it too."""
        found = await self.taking.queue_declare(queue, passive=True, timeout=TIMEOUT)
        if (found.consumer_count or 0) > 1:
            raise TopologyMismatch(f"somebody takes from {queue}; stop them, and do this again")

    async def pour(self, quiet: float, put: Put) -> int:
        """Puts all that is taken until nothing comes for so long; how many."""
        count = 0
        while page := await self._page(quiet):
            await asyncio.gather(*map(put, page))
            for message in page:
                await self.taking.basic_ack(message.delivery_tag or 0, wait=False)
            count += len(page)
        return count

    async def put_aside(self, message: DeliveredMessage) -> None:
        """Returns when it is safe there, as `put_back` does."""
        properties = self._properties(message)
        properties.headers = {**(properties.headers or {}), _KEY: _key(message)}
        await self._put(message.body, properties, "", self._place.name + BESIDE)

    async def put_back(self, message: DeliveredMessage) -> None:
        """Past the exchange where others would read it again, through it where only that keeps its key."""
        properties, key = self._properties(message), _key(message)
        properties.headers = {
            name: value for name, value in (properties.headers or {}).items() if name != _KEY
        }
        keeps = self._place.key == "#"
        exchange, to = (self._place.exchange, key) if keeps else ("", self._place.name)
        await self._put(message.body, properties, exchange, to)

    async def bind(self, queue: str) -> None:
        await self.taking.queue_bind(queue, self._place.exchange, self._place.key, timeout=TIMEOUT)

    async def unbind(self, queue: str) -> None:
        await self.taking.queue_unbind(queue, self._place.exchange, self._place.key, timeout=TIMEOUT)

    async def _put(self, body: bytes, properties: Basic.Properties, exchange: str, key: str) -> None:
        await self._putting.basic_publish(
            body, exchange=exchange, routing_key=key, properties=properties, mandatory=True, timeout=TIMEOUT
        )

    def _properties(self, message: DeliveredMessage) -> Basic.Properties:
        """All that was said with it, but for marks of the broker that it would misread in a copy."""
        kept = copy(message.header.properties)
        marks = _MARKS if self._place.exchange == DEAD_EXCHANGE else (*_MARKS, "x-death")
        kept.headers = {name: value for name, value in (kept.headers or {}).items() if name not in marks}
        kept.delivery_mode = 2
        if message.exchange == EXCHANGE:
            # There the key is the route; past the exchange the type says it.
            kept.message_type = message.routing_key
        return kept

    async def _page(self, quiet: float) -> list[DeliveredMessage]:
        page: list[DeliveredMessage] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(quiet):
                page.append(await self._taken.get())
        while page and len(page) < PAGE and not self._taken.empty():
            page.append(self._taken.get_nowait())
        return page

    async def _channel(self, confirms: bool) -> AbstractChannel:
        channel = self._connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        async with asyncio.timeout(TIMEOUT):
            await channel.initialize()
        self._stack.push_async_callback(_closed, channel)
        return await channel.get_underlay_channel()


async def _closed(channel: Channel) -> None:
    if not channel.is_closed:
        with suppress(Outage), border("closing a channel"):
            async with asyncio.timeout(TIMEOUT):
                await channel.close()


def _key(message: DeliveredMessage) -> str:
    """The routing key that it came with, before any move."""
    key = (message.header.properties.headers or {}).get(_KEY)
    return key if isinstance(key, str) else message.routing_key or ""
