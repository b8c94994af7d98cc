"""Buses that make trouble: another bus carries the messages, but handlers meet them in a twisted way."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

from contracts.events import ImageFailed, ImageReady, IndexReassigned
from contracts.message import Kind, Message
from messaging.bus import Bus, Subscription
from messaging.dead_letters import DeadLetters
from messaging.errors import Outage, TemporaryError

#: What makes the uploader call storage.
UPLOADS = (ImageReady, ImageFailed, IndexReassigned)
#: What happens instead of the handler, given the subscription and the message.
Twist = Callable[[Subscription[Any], Message], Awaitable[Sequence[Message]]]


class TwistedBus:
    """Every delivery goes through the twist."""

    def __init__(self, bus: Bus, twist: Twist) -> None:
        self._bus = bus
        self._twist = twist

    async def publish(self, *messages: Message, traces: Sequence[str | None] = ()) -> None:
        await self._bus.publish(*messages, traces=traces)

    def consuming(self, subscriptions: Sequence[Subscription[Any]]) -> AbstractAsyncContextManager[None]:
        return self._bus.consuming([self._twisted(subscription) for subscription in subscriptions])

    def trouble(self) -> str | None:
        return self._bus.trouble()

    async def dead_letters(self) -> Mapping[str, int]:
        return await self._bus.dead_letters()

    async def depths(self, queues: Sequence[str]) -> Mapping[str, int]:
        return await self._bus.depths(queues)

    @property
    def dead(self) -> DeadLetters:
        return self._bus.dead

    def _twisted(self, subscription: Subscription[Any]) -> Subscription[Any]:
        async def handle(message: Message) -> Sequence[Message]:
            return await self._twist(subscription, message)

        return replace(subscription, handle=handle)


async def untouched(subscription: Subscription[Any], message: Message) -> Sequence[Message]:
    return await subscription.handle(message)


async def twice(subscription: Subscription[Any], message: Message) -> Sequence[Message]:
    """As if the acknowledgement of every delivery had been lost."""
    return [*await subscription.handle(message), *await subscription.handle(message)]


async def twice_at_once(subscription: Subscription[Any], message: Message) -> Sequence[Message]:
    """As if two replicas had got every delivery at the same moment."""
    both = await asyncio.gather(
        subscription.handle(message), subscription.handle(message), return_exceptions=True
    )
    for said in both:
        if isinstance(said, BaseException):
            raise said
    return [message for said in both if not isinstance(said, BaseException) for message in said]


class InRandomOrder:
    """Whatever is on its way overtakes whatever else is. The seed makes the run repeatable, as far as the
    event loop is."""

    def __init__(self, seed: int, longest_seconds: float = 0.4) -> None:
        self._dice = random.Random(seed)
        self._longest = longest_seconds

    async def __call__(self, subscription: Subscription[Any], message: Message) -> Sequence[Message]:
        await asyncio.sleep(self._dice.random() * self._longest)
        return await subscription.handle(message)


class FirstAttempts:
    """Tells the first attempt of every message in every queue from the later ones."""

    def __init__(self) -> None:
        self.count = 0
        self._seen: set[tuple[str, str]] = set()

    def new(self, subscription: Subscription[Any], message: Message) -> bool:
        attempt = (subscription.queue.name, str(message.id()))
        if attempt in self._seen:
            return False
        self._seen.add(attempt)
        self.count += 1
        return True


class FailsAfterCommit:
    """The first attempt does all its work; then it fails, and nothing of what it said is heard."""

    def __init__(self) -> None:
        self.firsts = FirstAttempts()

    async def __call__(self, subscription: Subscription[Any], message: Message) -> Sequence[Message]:
        first = self.firsts.new(subscription, message)
        said = await subscription.handle(message)
        if first:
            raise TemporaryError("failed after its commit", delay=0)
        return said


class OutageAfterCommit:
    """The first attempt does all its work; then a neighbour is gone. Never twice in a row in one queue,
    because a subscription rests longer with every such time."""

    def __init__(self) -> None:
        self.firsts = FirstAttempts()
        self._resting: set[str] = set()

    async def __call__(self, subscription: Subscription[Any], message: Message) -> Sequence[Message]:
        queue = subscription.queue.name
        first = queue not in self._resting and self.firsts.new(subscription, message)
        if first:
            self._resting.add(queue)
        said = await subscription.handle(message)
        if first:
            raise Outage("a neighbour went away after the commit")
        self._resting.discard(queue)
        return said


class CutShort:
    """The first attempt is cancelled at a random moment of its work. Uploads are left alone: what is known of
    an upload that was cut is that it may still run, so it is only asked for again when its lease is over, and
    the journeys with SIGKILL wait for that."""

    def __init__(self, seed: int, longest_seconds: float = 0.03) -> None:
        self.firsts = FirstAttempts()
        self._dice = random.Random(seed)
        self._longest = longest_seconds

    async def __call__(self, subscription: Subscription[Any], message: Message) -> Sequence[Message]:
        if subscription.message in UPLOADS or not self.firsts.new(subscription, message):
            return await subscription.handle(message)
        try:
            async with asyncio.timeout(self._dice.random() * self._longest):
                await subscription.handle(message)
        except TimeoutError:
            pass
        raise TemporaryError("cut short", delay=0)


class ForgetfulPublisher(TwistedBus):
    """Every message is carried; the first time, whoever published it hears of an outage instead of a
    confirm."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus, untouched)
        self.unconfirmed: set[str] = set()

    async def publish(self, *messages: Message, traces: Sequence[str | None] = ()) -> None:
        await super().publish(*messages, traces=traces)
        new = {str(message.id()) for message in messages if message.kind is not Kind.TRANSIENT}
        if new - self.unconfirmed:
            self.unconfirmed |= new
            raise Outage("the confirm was lost")
