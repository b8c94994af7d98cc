"""One subscription to a transient message: a queue of this process alone, hints that nobody asks again."""

from typing import Any

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import DeliveredMessage

from messaging.bus import Subscription
from messaging.consumer import HINTS, Done, afterwards, attending, settle
from messaging.envelope import Envelope
from messaging.errors import Outage
from messaging.rabbitmq import topology, wire
from messaging.rabbitmq.intake import Intake
from messaging.rabbitmq.link import Link
from messaging.rabbitmq.publisher import Publisher
from messaging.rabbitmq.workers import Workers
from messaging.rest import Rest

log = structlog.get_logger("messaging")


class Listener:
    def __init__(self, subscription: Subscription[Any], link: Link, publisher: Publisher) -> None:
        self._subscription = subscription
        self._publisher = publisher
        self._workers = Workers(self._handle, subscription.prefetch, HINTS)
        self.intake = Intake(
            link,
            f"{subscription.service}'s {subscription.message.__name__}",
            self._prepare,
            self._workers.take,
            lambda: None,
            Rest(subscription.prefetch),
            answers=False,
        )

    async def stop(self) -> None:
        """Begins nothing more."""
        self._workers.ending.set()
        await self.intake.stop()

    async def end(self) -> None:
        """After `stop`: running handlers end."""
        await self._workers.end()
        await self.intake.close()

    async def _prepare(self, _: AbstractConnection, channel: AbstractChannel) -> str:
        return await topology.declare_listener(channel, self._subscription.message)

    async def _handle(self, delivered: DeliveredMessage) -> None:
        with attending(self._subscription, wire.incoming(self._subscription, delivered)) as envelope:
            await self._settle(envelope)

    async def _settle(self, envelope: Envelope) -> None:
        verdict = await settle(self._subscription, envelope)
        if isinstance(verdict, Done):
            try:
                await self._publisher.say(verdict.said, envelope)
            except Outage as outage:
                log.warning("a hint's answer is lost", reason=str(outage))
            await afterwards(self._subscription, verdict.message)
