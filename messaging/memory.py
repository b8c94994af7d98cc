"""`memory:` - the bus inside one process. Every message is encoded and decoded, and every delivery ends by
the same rules as on a broker; what is lost with the process is asked again by the gateway's outbox."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from contracts.message import Kind, Message
from contracts.topology import QUEUES, WAITS, Queue, Wait
from messaging.bus import Subscription
from messaging.consumer import HINTS, PATIENCE, Buried, Done, Verdict, afterwards, attending, settle
from messaging.dead_letters import DeadLetters
from messaging.envelope import Envelope, now
from messaging.memory_dead import MemoryDeadLetters
from messaging.policy import Pause
from messaging.rest import Rest
from messaging.tracing import publishing


class MemoryBus:
    """Holds what is published until somebody consumes it. Belongs to one event loop."""

    def __init__(self, app_id: str = "darkroom") -> None:
        self._app_id = app_id
        self._queues: dict[Queue, asyncio.Queue[Envelope]] = {queue: asyncio.Queue() for queue in QUEUES}
        self._listeners: dict[str, list[asyncio.Queue[Envelope]]] = defaultdict(list)
        self._dead: dict[Queue, list[Envelope]] = {queue: [] for queue in QUEUES}
        self._waiting: Counter[str] = Counter()
        self._unsettled: Counter[str] = Counter()
        self._changed = asyncio.Condition()
        self.dead: DeadLetters = MemoryDeadLetters(self._dead, self._put)

    async def publish(self, *messages: Message, traces: Sequence[str | None] = ()) -> None:
        await self._say(messages, None, traces)

    def trouble(self) -> str | None:
        return None

    async def dead_letters(self) -> Mapping[str, int]:
        return {queue.name: len(letters) for queue, letters in self._dead.items() if letters}

    async def depths(self, queues: Sequence[str]) -> Mapping[str, int]:
        waiting = {queue.name: self._queues[queue].qsize() for queue in QUEUES}
        dead = {queue.dead: len(self._dead[queue]) for queue in QUEUES}
        known = waiting | dead | {wait.name: self._waiting[wait.name] for wait in WAITS}
        return {name: known[name] for name in queues if name in known}

    def letters(self, queue: Queue) -> Sequence[Envelope]:
        """The dead letters of a queue, oldest first."""
        return tuple(self._dead[queue])

    async def inject(self, queue: Queue, envelope: Envelope) -> None:
        """Puts raw bytes into a queue, as any client of a broker could."""
        self._queues[queue].put_nowait(envelope)

    async def settled(self) -> None:
        """Returns when no delivery is queued, waiting or being handled."""
        async with self._changed:
            await self._changed.wait_for(self._nothing_left)

    @asynccontextmanager
    async def consuming(self, subscriptions: Sequence[Subscription[Any]]) -> AsyncIterator[None]:
        consumers = [
            _Consumer(self, subscription, self._source(subscription)) for subscription in subscriptions
        ]
        tasks = [asyncio.create_task(consumer.run()) for consumer in consumers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(consumer.close() for consumer in consumers))
            for consumer in consumers:
                if consumer.subscription.message.kind is Kind.TRANSIENT:
                    self._listeners[consumer.subscription.message.route()].remove(consumer.source)

    def _source(self, subscription: Subscription[Any]) -> asyncio.Queue[Envelope]:
        if subscription.message.kind is not Kind.TRANSIENT:
            return self._queues[subscription.queue]
        own: asyncio.Queue[Envelope] = asyncio.Queue(HINTS)
        self._listeners[subscription.message.route()].append(own)
        return own

    def _nothing_left(self) -> bool:
        counted = self._waiting.total() + self._unsettled.total()
        return not (counted or any(q.qsize() for q in self._queues.values()))

    async def _say(
        self, messages: Sequence[Message], cause: Envelope | None, traces: Sequence[str | None] = ()
    ) -> None:
        with publishing(messages, traces) as told:
            for message, trace in zip(messages, told, strict=True):
                self._route(message, Envelope.of(message, self._app_id, now(), cause, trace))

    def _route(self, message: Message, envelope: Envelope) -> None:
        for queue in QUEUES:
            if queue.message is type(message):
                self._queues[queue].put_nowait(envelope)
        for listener in self._listeners[envelope.route]:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(envelope)

    async def finish(self, subscription: Subscription[Any], envelope: Envelope, verdict: Verdict) -> None:
        """Carries a verdict out, in the order that loses nothing: say, then acknowledge, then the rest."""
        match verdict:
            case Done(message, said):
                await self._say(said, envelope)
                await afterwards(subscription, message)
            case _ if subscription.message.kind is Kind.TRANSIENT:
                return  # a hint is not asked again
            case Buried(dead, said):
                await self._say(said, envelope)
                letter = envelope.buried(dead.attempts, dead.reason, now())
                self._dead[subscription.queue].append(letter)
            case _:
                copy = envelope.returned(verdict.attempts, verdict.reason, now())
                self._return_later(subscription.queue, copy, verdict.wait)

    def _return_later(self, queue: Queue, envelope: Envelope, wait: Wait) -> None:
        def arrive() -> None:
            self._waiting[wait.name] -= 1
            self._put(queue, envelope)

        asyncio.get_running_loop().call_later(wait.seconds, arrive)
        self._waiting[wait.name] += 1

    def _put(self, queue: Queue, envelope: Envelope) -> None:
        self._queues[queue].put_nowait(envelope)

    def taken(self, subscription: Subscription[Any]) -> None:
        """Counts a delivery from the moment it left its queue, before anything handles it, for `settled`."""
        self._unsettled[subscription.queue.name] += 1

    @asynccontextmanager
    async def unsettled(self, subscription: Subscription[Any]) -> AsyncIterator[None]:
        """A delivery that was `taken`, to its end."""
        try:
            yield
        finally:
            self._unsettled[subscription.queue.name] -= 1
            async with self._changed:
                self._changed.notify_all()


class _Consumer:
    """Takes deliveries of one subscription, as many at once as its rest allows."""

    def __init__(
        self, bus: MemoryBus, subscription: Subscription[Any], source: asyncio.Queue[Envelope]
    ) -> None:
        self.subscription = subscription
        self.source = source
        self._bus = bus
        self._rest = Rest(subscription.prefetch)
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        while True:
            if self._rest.seconds:
                await asyncio.sleep(self._rest.seconds)
            elif len(self._running) >= self._rest.width:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            else:
                # Nothing awaits between the taking and the task, so a cancelled consumer drops no delivery.
                envelope = await self.source.get()
                self._bus.taken(self.subscription)
                task = asyncio.create_task(self._deliver(envelope))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=PATIENCE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _deliver(self, envelope: Envelope) -> None:
        async with self._bus.unsettled(self.subscription):
            with attending(self.subscription, envelope) as known:
                await self._settle(known)

    async def _settle(self, envelope: Envelope) -> None:
        try:
            verdict = await settle(self.subscription, envelope)
        except asyncio.CancelledError:
            with suppress(asyncio.QueueFull):
                self.source.put_nowait(envelope)
            raise
        if isinstance(verdict, Pause):
            self._rest.outage()
        else:
            self._rest.success()
        await self._bus.finish(self.subscription, envelope, verdict)
