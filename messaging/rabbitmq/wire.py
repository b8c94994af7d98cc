"""An envelope as AMQP writes it: properties, headers, and the route that must survive the wait queues."""

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from aio_pika import DeliveryMode
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from contracts.message import Message
from contracts.topology import Queue
from messaging.bus import Subscription
from messaging.dead_letters import DeadLetter, told
from messaging.envelope import CONTENT_TYPE, Envelope
from messaging.history import Death

#: How often a quorum queue got the message back without an answer.
RETURNS = "x-delivery-count"
#: Written by the broker where it gave a message up by itself.
BROKERS_DEATH = "x-death"
#: Message ids that can stand in the id of a dead letter.
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,128}")


def outgoing(envelope: Envelope, keep: bool, extra: Mapping[str, str] | None = None) -> Basic.Properties:
    """`keep` makes it survive a restart of the broker. The library's own default does not."""
    return Basic.Properties(
        headers={**envelope.headers(), **(extra or {})},
        content_type=CONTENT_TYPE,
        delivery_mode=DeliveryMode.PERSISTENT if keep else DeliveryMode.NOT_PERSISTENT,
        correlation_id=envelope.correlation_id,
        message_id=envelope.message_id,
        timestamp=envelope.sent_at,
        message_type=envelope.route,
        app_id=envelope.app_id,
    )


def incoming(subscription: Subscription[Message], delivered: DeliveredMessage) -> Envelope:
    properties = delivered.header.properties
    return Envelope.read(
        _route(subscription, delivered),
        delivered.body,
        properties.headers or {},
        correlation_id=properties.correlation_id,
        app_id=properties.app_id,
        sent_at=properties.timestamp,
        # Of the message that came; whatever goes out gets one of its own.
        message_id=properties.message_id,
    )


def dead_letter(queue: Queue, delivered: DeliveredMessage) -> DeadLetter:
    """Out of the queue's dead letters, whoever put it there."""
    properties = delivered.header.properties
    envelope = Envelope.read(
        properties.message_type or queue.message.route(),
        delivered.body,
        properties.headers or {},
        correlation_id=properties.correlation_id,
        app_id=properties.app_id,
        sent_at=properties.timestamp,
        message_id=_named(properties.message_id, delivered.body),
    )
    return told(queue, envelope, _given_up(properties.headers or {}, envelope.attempts))


def _named(message_id: str | None, body: bytes) -> str:
    """What nobody named is named by what it says."""
    return message_id if message_id and _PLAIN.fullmatch(message_id) else sha256(body).hexdigest()[:32]


def _given_up(headers: Mapping[str, Any], attempts: int) -> Death | None:
    match headers.get(BROKERS_DEATH):
        case [{"reason": str(reason), "time": datetime() as at}, *_]:
            return Death(at.isoformat(), f"the broker gave it up: {reason}", attempts)
    return None


def returns(delivered: DeliveredMessage) -> int:
    """A first delivery has no count of the broker's; what stands there then came with the message."""
    counted = (delivered.header.properties.headers or {}).get(RETURNS)
    delivery = delivered.delivery
    again = isinstance(delivery, Basic.Deliver) and bool(delivery.redelivered)
    return counted if again and isinstance(counted, int) else 0


def _route(subscription: Subscription[Message], delivered: DeliveredMessage) -> str:
    """Through an exchange the routing key is the route. Out of a wait queue, or put into the queue by hand,
    it is the queue's name: our copies then say the route in `type`, a plain client means the queue's own."""
    delivery = delivered.delivery
    if isinstance(delivery, Basic.Deliver) and delivery.exchange:
        return delivery.routing_key or ""
    return delivered.header.properties.message_type or subscription.message.route()
