"""Keeps one consumer alive: through lost connections, deleted queues, and the rests of its subscription."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import AbstractChannel as Underlay
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from messaging.ending import ended
from messaging.errors import Outage
from messaging.rabbitmq.border import TopologyMismatch, border
from messaging.rabbitmq.link import BACKOFF, TIMEOUT, Link
from messaging.rest import Rest

log = structlog.get_logger("messaging")

#: Seconds in which a consumer that is connected can be told to stop.
STOPPING = 2.0


class Intake:
    """Consumes the queue that `prepare` names, as wide as `rest` allows, on a channel of its own.

    The library's queue would cancel handlers and choke on odd properties; so this talks to the channel
    below it. `take` gets each delivery; `lost` is told when a channel is gone, and with it every delivery
    that has no answer yet.
    """

    def __init__(
        self,
        link: Link,
        name: str,
        prepare: Callable[[AbstractConnection, AbstractChannel], Awaitable[str]],
        take: Callable[[DeliveredMessage], None],
        lost: Callable[[], None],
        rest: Rest,
        answers: bool = True,
    ) -> None:
        self._link = link
        self._name = name
        self._prepare = prepare
        self._take = take
        self._lost = lost
        self._rest = rest
        self._no_ack = not answers
        self._turn = asyncio.Event()
        self._stopping = False
        self._cancelled = False
        self._failures = 0
        self._channel: AbstractChannel | None = None
        self._task: asyncio.Task[None] | None = None
        #: Set once it has consumed for the first time.
        self.began = asyncio.Event()
        self.trouble: str | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"consumer of {self._name}")

    def wake(self) -> None:
        """To be called when the rest has changed."""
        self._turn.set()

    async def stop(self) -> None:
        """Takes nothing more; what was taken can still be answered."""
        self._stopping = True
        self._turn.set()
        if self._task:
            await asyncio.wait({self._task}, timeout=STOPPING if self._link.connected else 0)
            await ended([self._task])

    async def close(self) -> None:
        """Gives back what was taken and not answered."""
        channel, self._channel = self._channel, None
        if channel is not None and not channel.is_closed:
            with suppress(Outage), border("closing a channel"):
                async with asyncio.timeout(TIMEOUT):
                    await channel.close()

    async def _run(self) -> None:
        while not self._stopping:
            try:
                await self._session(await self._link.connection())
            except (Outage, TopologyMismatch) as why:
                await self._fail(why)
            except Exception as error:  # whatever it is: a consumer that gave up would be silent for ever
                log.error("consuming failed in an unknown way", queue=self._name, exc_info=error)
                await self._fail(error)

    async def _fail(self, why: Exception) -> None:
        """Drops the channel and what came over it, and waits a little."""
        reason = str(why) or type(why).__name__
        self.trouble = f"{self._name} is not consumed: {reason}"
        delay = BACKOFF[min(self._failures, len(BACKOFF) - 1)]
        self._failures += 1
        log.warning("not consuming", queue=self._name, reason=reason, seconds=delay)
        await self.close()
        self._lost()
        await self._idle(delay)

    async def _session(self, connection: AbstractConnection) -> None:
        """Returns when told to stop; raises Outage when the channel, the consumer or the queue is gone."""
        with border(f"consuming {self._name}"):
            self._channel = connection.channel(publisher_confirms=False)
            async with asyncio.timeout(TIMEOUT):
                await self._channel.initialize()
            underlay = await self._channel.get_underlay_channel()
            underlay.closing.add_done_callback(lambda _: self._turn.set())
            underlay.on_consumer_cancel_callbacks.add(self._on_cancel)
            # The library would make a task for each delivery, only to have it make ours. Where one of its
            # releases does not ask this any more, that is what it does (`_deliver`).
            underlay._on_deliver_frame = partial(self._on_deliver, underlay)  # type: ignore[attr-defined]
            self._cancelled = False
            queue = await self._prepare(connection, self._channel)
            while not self._stopping:
                await self._consume(underlay, queue)

    async def _consume(self, underlay: Underlay, queue: str) -> None:
        """Until the rest says something else."""
        while self._rest.seconds and not self._over(underlay):
            await self._idle(self._rest.seconds)
        width = self._rest.width
        if not self._over(underlay):
            await underlay.basic_qos(prefetch_count=width, timeout=TIMEOUT)
            consumer = await underlay.basic_consume(
                queue, self._deliver, no_ack=self._no_ack, timeout=TIMEOUT
            )
            self._failures, self.trouble = 0, None
            self.began.set()
            while not (self._over(underlay) or self._rest.seconds or self._rest.width != width):
                await self._idle()
            self._raise_if_gone(underlay)
            await underlay.basic_cancel(str(consumer.consumer_tag), timeout=TIMEOUT)
        self._raise_if_gone(underlay)

    async def _on_deliver(self, underlay: Any, deliver: Basic.Deliver) -> None:
        """Told of a delivery's first frame by the only reader of this channel."""
        delivered = await underlay._read_content(deliver, await underlay._get_frame())
        if deliver.consumer_tag in underlay.consumers:
            self._take(delivered)

    async def _deliver(self, delivered: DeliveredMessage) -> None:
        self._take(delivered)

    def _over(self, underlay: Underlay) -> bool:
        return self._stopping or self._cancelled or underlay.is_closed

    def _raise_if_gone(self, underlay: Underlay) -> None:
        if underlay.is_closed:
            raise Outage("the channel was closed")
        if self._cancelled:
            raise Outage("the broker ended the consumer; was the queue deleted?")

    def _on_cancel(self, _: object) -> None:
        self._cancelled = True
        self._turn.set()

    async def _idle(self, seconds: float | None = None) -> None:
        """Until the turn of something; whoever calls looks at what it was."""
        self._turn.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._turn.wait()
