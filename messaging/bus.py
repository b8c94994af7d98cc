"""The port: `async def on_x(message, *, ports) -> Sequence[Message]`, and a bus that keeps its promises."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from contracts.message import Message
from contracts.topology import Queue
from messaging.dead_letters import DeadLetters

M = TypeVar("M", bound=Message)

#: A handler with its ports filled in: what is said is published, with confirms, before the acknowledgement.
Handler = Callable[[M], Awaitable[Sequence[Message]]]
#: What a dead letter says, once: given the message and the reason.
Burial = Callable[[M, str], Awaitable[Sequence[Message]]]


@dataclass(frozen=True)
class Subscription(Generic[M]):
    """What one service does with one message."""

    service: str
    message: type[M]
    handle: Handler[M]
    bury: Burial[M] | None = None
    #: After the acknowledgement; a failure is logged and forgotten, so only for what a sweep also does.
    then: Callable[[M], Awaitable[None]] | None = None
    #: Deliveries handled at once.
    prefetch: int = 32

    @property
    def queue(self) -> Queue:
        return Queue(self.service, self.message)


class Bus(Protocol):
    """Carries messages at least once, in no promised order."""

    async def publish(self, *messages: Message, traces: Sequence[str | None] = ()) -> None:
        """Returns when every message is safe: persisted and routed (commands, events), or handed over
        (transient). Raises `Outage` when that can't be said; repeating is always allowed.

        `traces`: the `traceparent` that each belongs to, in their order, where it was decided on elsewhere;
        without it they belong to what is done here."""
        ...

    def consuming(self, subscriptions: Sequence[Subscription[Any]]) -> AbstractAsyncContextManager[None]:
        """Deliveries flow while the context is open; leaving it stops taking, lets running handlers end
        (within a bound) and gives back the rest."""
        ...

    def trouble(self) -> str | None:
        """Why messages can't flow right now, None if they can."""
        ...

    async def dead_letters(self) -> Mapping[str, int]:
        """Queue name -> messages in its dead-letter queue, for those queues that have any. Raises Outage."""
        ...

    async def depths(self, queues: Sequence[str]) -> Mapping[str, int]:
        """Queue name -> messages that wait in it, of whatever kind it is; without those that are not there or
        that this user may not look at. Raises Outage."""
        ...

    @property
    def dead(self) -> DeadLetters: ...
