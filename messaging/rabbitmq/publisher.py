"""Publishing that says the truth: safe and routed, or an Outage."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import cast

from aio_pika.abc import AbstractConnection
from aiormq import Channel
from pamqp.commands import Basic

from contracts.message import Kind, Message
from contracts.topology import DEAD_EXCHANGE, EXCHANGE, Queue, Wait
from messaging.envelope import Envelope, now
from messaging.errors import Unroutable
from messaging.rabbitmq.border import border
from messaging.rabbitmq.link import TIMEOUT, Link
from messaging.rabbitmq.mailbag import Mailbag
from messaging.rabbitmq.wire import outgoing
from messaging.tracing import publishing

#: Messages that may wait for their confirmation at once: a hundred cost 0.3 of what one by one costs.
WINDOW = 100
#: Seconds more for every message of a call, so that a long one is not taken for an outage.
EACH = 0.01


@dataclass(frozen=True)
class Parcel:
    """A message with its address."""

    exchange: str
    key: str
    body: bytes
    properties: Basic.Properties
    mandatory: bool = True
    confirmed: bool = True


class Publisher:
    def __init__(self, link: Link, app_id: str) -> None:
        self._app_id = app_id
        self._confirmed = _Lane(link, confirms=True)
        self._hints = _Lane(link, confirms=False)
        self._window = asyncio.Semaphore(WINDOW)

    async def say(
        self,
        messages: Sequence[Message],
        cause: Envelope | None = None,
        traces: Sequence[str | None] = (),
    ) -> None:
        """Returns when all are safe; `traces` as `Bus.publish` says. Raises Outage, or Unroutable."""
        if not messages:
            return
        with publishing(messages, traces) as told:
            parcels = [self._addressed(*each, cause) for each in zip(messages, told, strict=True)]
            await self._send(parcels)

    async def wait(self, envelope: Envelope, queue: Queue, wait: Wait) -> None:
        """A copy that comes back to `queue` after the wait. Raises as `say`."""
        await self._send([Parcel(wait.exchange, queue.name, envelope.body, outgoing(envelope, keep=True))])

    async def bury(self, envelope: Envelope, queue: Queue) -> None:
        """A copy for the queue's dead letters. Raises as `say`."""
        properties = outgoing(envelope, keep=True, extra={"x-queue": queue.name})
        await self._send([Parcel(DEAD_EXCHANGE, queue.dead, envelope.body, properties)])

    async def replay(self, envelope: Envelope, queue: Queue) -> None:
        """A copy for `queue` itself, past the exchange: nobody else who reads this message gets it again.
        Raises as `say`."""
        await self._send([Parcel("", queue.name, envelope.body, outgoing(envelope, keep=True))])

    def _addressed(self, message: Message, trace: str | None, cause: Envelope | None) -> Parcel:
        envelope = Envelope.of(message, self._app_id, now(), cause, trace)
        lasting = message.kind is not Kind.TRANSIENT
        properties = outgoing(envelope, lasting)
        return Parcel(EXCHANGE, envelope.route, envelope.body, properties, message.mandatory, lasting)

    async def _send(self, parcels: Sequence[Parcel]) -> None:
        one = len(parcels) == 1  # as nearly always: no task for it
        keys = parcels[0].key if one else ", ".join(sorted({parcel.key for parcel in parcels}))
        with border(f"publishing {keys}"):
            async with asyncio.timeout(TIMEOUT + EACH * len(parcels)):
                await (self._post(parcels[0]) if one else self._send_all(parcels))

    async def _send_all(self, parcels: Sequence[Parcel]) -> None:
        ends = await asyncio.gather(*map(self._send_one, parcels), return_exceptions=True)
        failed = [end for end in ends if isinstance(end, BaseException)]
        for error in chain((e for e in failed if isinstance(e, Unroutable)), failed):
            raise error

    async def _send_one(self, parcel: Parcel) -> None:
        with border(f"publishing {parcel.key}"):
            await self._post(parcel)

    async def _post(self, parcel: Parcel) -> None:
        lane = self._confirmed if parcel.confirmed else self._hints
        async with self._window:
            bag = await lane.bag()
            if parcel.confirmed:
                # Bounded by the window, it need not wait for the socket as well.
                await bag.post(parcel.body, parcel.exchange, parcel.key, parcel.mandatory, parcel.properties)
                return
            await bag.channel.basic_publish(
                parcel.body,
                exchange=parcel.exchange,
                routing_key=parcel.key,
                properties=parcel.properties,
                mandatory=parcel.mandatory,
            )


class _Lane:
    """A channel of the publishing connection, opened anew when it was closed: whatever the broker objects
    to closes it for everybody who publishes at that moment."""

    def __init__(self, link: Link, confirms: bool) -> None:
        self._link = link
        self._confirms = confirms
        self._opening = asyncio.Lock()
        self._on: AbstractConnection | None = None
        self._bag: Mailbag | None = None

    async def bag(self) -> Mailbag:
        """Waits for the broker as long as the caller does."""
        connection = await self._link.unblocked()
        if self._bag is None or self._bag.channel.is_closed or self._on is not connection:
            async with self._opening:
                return await self._opened(connection)
        return self._bag

    async def _opened(self, connection: AbstractConnection) -> Mailbag:
        if self._bag is None or self._bag.channel.is_closed or self._on is not connection:
            channel = connection.channel(publisher_confirms=self._confirms, on_return_raises=self._confirms)
            await channel.initialize()
            self._on, self._bag = connection, Mailbag(cast(Channel, await channel.get_underlay_channel()))
        return self._bag
