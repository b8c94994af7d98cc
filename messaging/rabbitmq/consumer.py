"""One subscription to a durable queue: verdicts carried out in the order that loses nothing."""

import asyncio
from contextlib import suppress
from typing import Any

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import DeliveredMessage

from contracts.topology import WAITS
from messaging.bus import Subscription
from messaging.consumer import Buried, Done, Verdict, afterwards, attending, settle
from messaging.envelope import Envelope, now
from messaging.errors import Outage
from messaging.policy import Dead, Pause, outcome
from messaging.rabbitmq import topology, wire
from messaging.rabbitmq.border import TopologyMismatch
from messaging.rabbitmq.intake import Intake
from messaging.rabbitmq.link import Link
from messaging.rabbitmq.publisher import Publisher
from messaging.rabbitmq.receipts import Receipts
from messaging.rabbitmq.workers import Workers
from messaging.rest import Rest

log = structlog.get_logger("messaging")


class Consumer:
    """`declare` lets it put its queue back where it was deleted."""

    def __init__(
        self, subscription: Subscription[Any], link: Link, publisher: Publisher, declare: bool
    ) -> None:
        self._subscription = subscription
        self._queue = subscription.queue
        self._publisher = publisher
        self._declare = declare
        self._rest = Rest(subscription.prefetch)
        self._workers = Workers(self._handle, subscription.prefetch)
        self._receipts = Receipts(subscription.prefetch)
        self.intake = Intake(
            link, self._queue.name, self._prepare, self._workers.take, self._workers.forget, self._rest
        )

    async def stop(self) -> None:
        """Begins nothing more."""
        self._workers.ending.set()
        await self.intake.stop()

    async def end(self) -> None:
        """After `stop`: running handlers end, the rest goes back."""
        await self._workers.end()
        await self.intake.close()

    async def _prepare(self, connection: AbstractConnection, _: AbstractChannel) -> str:
        if self._declare:
            try:
                await topology.declare_queue(connection, self._queue)
            except TopologyMismatch as why:
                # Another release's make: what lies in it is ours all the same.
                log.warning("consumes a queue of another make", queue=self._queue.name, reason=str(why))
        return self._queue.name

    async def _handle(self, delivered: DeliveredMessage) -> None:
        with attending(self._subscription, wire.incoming(self._subscription, delivered)) as envelope:
            await self._settle(delivered, envelope)

    async def _settle(self, delivered: DeliveredMessage, envelope: Envelope) -> None:
        verdict = await settle(self._subscription, envelope, wire.returns(delivered))
        if isinstance(verdict, Pause):
            self._outage()
        while True:
            try:
                await self._carry_out(delivered, envelope, verdict)
            except Outage as outage:
                log.warning("an answer cannot be published", queue=self._queue.name, reason=str(outage))
                self._outage()
                if await self._returned(delivered, envelope, outage) or not await self._rested(delivered):
                    return
            except Exception as error:  # what was said cannot be sent: a bug becomes an attempt
                log.warning("what a handler said cannot be sent", queue=self._queue.name, exc_info=error)
                end = outcome(error, envelope.attempts)
                verdict = Buried(end) if isinstance(end, Dead) else end
            else:
                return

    async def _carry_out(self, delivered: DeliveredMessage, envelope: Envelope, verdict: Verdict) -> None:
        """Says, then acknowledges, then the rest. Raises Outage before the acknowledgement."""
        match verdict:
            case Done(message, said):
                await self._publisher.say(said, envelope)
                acknowledged = await self._receipts.acknowledge(delivered)
                self._success()
                if acknowledged:
                    await afterwards(self._subscription, message)
            case _ if delivered.channel.is_closed:
                return  # it comes again by itself; a copy would double it
            case Buried(dead, said):
                await self._publisher.say(said, envelope)
                letter = envelope.buried(dead.attempts, dead.reason, now())
                await self._publisher.bury(letter, self._queue)
                await self._receipts.acknowledge(delivered)
                self._success()
            case _:
                copy = envelope.returned(verdict.attempts, verdict.reason, now())
                await self._publisher.wait(copy, self._queue, verdict.wait)
                await self._receipts.acknowledge(delivered)
                if not isinstance(verdict, Pause):
                    self._success()

    async def _returned(self, delivered: DeliveredMessage, envelope: Envelope, outage: Outage) -> bool:
        """Whether a copy could take its place, with no attempt counted: its answer cannot be said, so it is
        handled again."""
        pause = Pause(WAITS[0], envelope.attempts, f"{type(outage).__name__}: {outage}")
        try:
            await self._carry_out(delivered, envelope, pause)
        except Outage:
            return False
        return True

    async def _rested(self, delivered: DeliveredMessage) -> bool:
        """Holds the delivery, whose answer is known, until the rest is over; handing it back would count as
        a return. False where it is lost, or consumption ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._rest.seconds):
                await self._workers.ending.wait()
        return not (self._workers.ending.is_set() or delivered.channel.is_closed)

    def _outage(self) -> None:
        self._rest.outage()
        self.intake.wake()

    def _success(self) -> None:
        if self._rest.success():
            self.intake.wake()
