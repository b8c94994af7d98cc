"""From a delivery to its verdict, the same on every transport: read, handle, and say how it ends."""

from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import structlog
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Histogram

from contracts.limits import MAX_BODY
from contracts.message import Kind, Message, Undecodable
from contracts.topology import MAX_DELIVERIES
from messaging import tracing
from messaging.bus import M, Subscription
from messaging.envelope import Envelope
from messaging.errors import Later, Outage, PermanentError
from messaging.policy import Again, Dead, Outcome, Pause, outcome

log = structlog.get_logger("messaging")

DELIVERIES = Counter("darkroom_deliveries", "Deliveries by how they ended", ["queue", "outcome"])
HANDLING = Histogram("darkroom_handling_seconds", "Time in a handler", ["queue"])

#: Seconds that running handlers have to end when consumption stops.
PATIENCE = 10.0
#: Transient messages that wait for one listener before the oldest is dropped.
HINTS = 1000


@dataclass(frozen=True)
class Done:
    """Publish what was said, acknowledge, then whatever the subscription does afterwards."""

    message: Message
    said: Sequence[Message]


@dataclass(frozen=True)
class Buried:
    """Publish what the dead letter says, then the dead letter itself, then acknowledge."""

    dead: Dead
    said: Sequence[Message] = ()


Verdict = Done | Again | Pause | Buried


def read(subscription: Subscription[M], envelope: Envelope) -> M:
    """Raises Undecodable where the envelope or the body does not keep the contract."""
    if envelope.route != (expected := subscription.message.route()):
        raise Undecodable(f"unknown version {envelope.route[:100]!r}: this service reads {expected}")
    if len(envelope.body) > MAX_BODY:
        raise Undecodable(f"a body of {len(envelope.body)} bytes; at most {MAX_BODY} are read")
    return subscription.message.decode(envelope.body)


@contextmanager
def attending(subscription: Subscription[Any], envelope: Envelope) -> Iterator[Envelope]:
    """All that is done about one delivery, in a task of its own: its service, its trace and what it is about
    stand on every line. A delivery without a trace gets one, which its copies keep."""
    queue, sender = subscription.queue.name, tracing.read(envelope.traceparent)
    hint = subscription.message.kind is Kind.TRANSIENT
    with (
        tracing.serving(subscription.service),
        tracing.following(sender, f"process {queue}", SpanKind.CONSUMER, quiet=hint),
    ):
        structlog.contextvars.bind_contextvars(queue=queue)
        try:
            yield envelope if sender else replace(envelope, traceparent=tracing.traceparent())
        except Exception as error:
            log.error("a delivery was left to the broker", exc_info=error)
            raise


async def settle(subscription: Subscription[Any], envelope: Envelope, returns: int = 0) -> Verdict:
    """Handles one delivery. `returns` is how often the broker got it back without an answer."""
    queue = subscription.queue.name
    try:
        message = read(subscription, envelope)
    except Undecodable as why:
        log.warning("message cannot be read", queue=queue, reason=str(why))
        _counted(queue, "dead")
        return Buried(Dead(envelope.attempts + 1, str(why)))
    tracing.concerns(**message.about())
    if returns >= MAX_DELIVERIES:
        reason = f"came back {returns} times without an answer; its consumers died or froze"
        return await _buried(subscription, message, Dead(envelope.attempts, reason))
    started = perf_counter()
    result = await _try(subscription.handle(message), envelope.attempts)
    HANDLING.labels(queue).observe(perf_counter() - started)
    if isinstance(result, Dead):
        return await _buried(subscription, message, result)
    if isinstance(result, Again | Pause):
        log.info("delivery returns", reason=result.reason, wait=result.wait.name, attempts=result.attempts)
        _counted(queue, type(result).__name__.lower())
        return result
    _counted(queue, "done")
    return Done(message, result)


async def afterwards(subscription: Subscription[M], message: M) -> None:
    """What the subscription does once its delivery is acknowledged. Never fails."""
    if subscription.then is None:
        return
    try:
        await subscription.then(message)
    except Exception as error:  # the delivery is settled: a sweep does what was left
        log.warning("left for the sweep", queue=subscription.queue.name, exc_info=error)


async def _try(handling: Awaitable[Sequence[Message]], attempts: int) -> Sequence[Message] | Outcome:
    try:
        return await handling
    except (Outage, Later, PermanentError) as error:
        return outcome(error, attempts)
    except Exception as error:  # the one place where a bug becomes an attempt and not a lost message
        log.warning("handler failed", attempts=attempts + 1, exc_info=error)
        return outcome(error, attempts)


async def _buried(subscription: Subscription[Any], message: Message, dead: Dead) -> Verdict:
    log.error("dead letter", reason=dead.reason, attempts=dead.attempts)
    said: Sequence[Message] | Outcome = ()
    if subscription.bury:
        said = await _try(subscription.bury(message, dead.reason), dead.attempts)
    if isinstance(said, Again | Pause):
        # The words of a dead letter are owed; it is not buried before they can be said.
        return type(said)(said.wait, max(dead.attempts - 1, 0), said.reason)
    _counted(subscription.queue.name, "dead")
    if isinstance(said, Dead):
        return Buried(Dead(dead.attempts, f"{dead.reason}; and its burial failed: {said.reason}"))
    return Buried(dead, said)


def _counted(queue: str, end: str) -> None:
    DELIVERIES.labels(queue, end).inc()
    tracing.marked(outcome=end)
    if end == "dead":
        tracing.failed("dead letter")
