"""Makes the calls that are due: many at once, few to any one receiver, none of them ever forgotten."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import prometheus_client
import structlog

from chassis.process import every
from services.gateway.adapters.webhooks import sealing
from services.gateway.adapters.webhooks.wire import Wire
from services.gateway.domain.webhooks import DeliveryStatus, UnderWay, outcome
from services.gateway.webhook_ports import Call, Deliveries

ATTEMPTS = prometheus_client.Counter(
    "darkroom_webhook_attempts", "Calls of webhooks, by what came of them", ["result"]
)
OLDEST = prometheus_client.Gauge(
    "darkroom_webhook_age_seconds", "Age of the oldest event that a webhook was not told of"
)

#: Seconds between two looks when nobody rings and nothing is due before, and at most where nothing is to be
#: told and nothing happens.
LOOK, IDLE = 1.0, 5.0
#: What a metric calls each end of an attempt.
_RESULTS = {
    DeliveryStatus.DELIVERED: "delivered",
    DeliveryStatus.PENDING: "again",
    DeliveryStatus.FAILED: "given_up",
}

log = structlog.get_logger("gateway")


class Courier:
    """One per process; replicas share the work through the leases of deliveries. What is under way when the
    process ends is made again by whoever looks after the lease."""

    def __init__(
        self,
        deliveries: Deliveries,
        wire: Wire,
        clock: Callable[[], float] = time.time,
        lot: Callable[[], float] = random.random,
    ) -> None:
        self._deliveries = deliveries
        self._wire = wire
        self._clock = clock
        self._lot = lot
        self._calls: dict[asyncio.Task[None], Call] = {}
        self._bell = asyncio.Event()
        self._rest = 0.0
        self._stirred = True

    def ring(self) -> None:
        """Something is to be told at once."""
        self._bell.set()

    def stir(self) -> None:
        """Something happened of which somebody may have to be told: the next look is within LOOK seconds."""
        self._stirred = True
        if self._rest > LOOK:
            self._bell.set()

    async def run(self) -> None:
        """Looks for ever; a look that fails is followed by the next one."""
        try:
            await every(0, self._look, "webhooks")
        finally:
            for task in self._calls:
                task.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    async def round(self) -> int:
        """Begins every call that is due and has a place; how many."""
        # Also after a look that fails: whatever is down needs a moment.
        rest, self._rest = max(self._rest, LOOK), LOOK
        stirred, self._stirred = self._stirred, False
        calls, following = await self._deliveries.claim(self._under_way())
        for call in calls:
            task = asyncio.create_task(self._make(call), name=f"webhook {call.id}")
            self._calls[task] = call
            task.add_done_callback(self._made)
        if following is not None:
            self._rest = min(max(following - self._clock(), 0.0), LOOK)
        elif not (stirred or self._stirred):
            self._rest = min(2 * rest, IDLE)
        return len(calls)

    async def idle(self) -> None:
        """Returns once no call is under way."""
        while self._calls:
            await asyncio.wait(self._calls)

    async def measure(self) -> None:
        """Tells the metric how long the oldest event has waited."""
        oldest = await self._deliveries.oldest()
        OLDEST.set(0 if oldest is None else max(self._clock() - oldest, 0))

    async def _look(self) -> None:
        await self._pause()
        self._bell.clear()
        await self.round()

    async def _pause(self) -> None:
        # Not `wait_for`: in Python 3.11 it loses a cancellation that comes together with the bell.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._rest):
                await self._bell.wait()

    def _under_way(self) -> UnderWay:
        calls = self._calls.values()
        return UnderWay(Counter(call.receiver for call in calls), Counter(call.username for call in calls))

    async def _make(self, call: Call) -> None:
        now = self._clock()
        headers = sealing.headers(call.id, call.body, call.secrets, now)
        attempt = await self._wire.call(call.url, headers, call.body, now)
        ended = outcome(call.word, call.tries + 1, call.failing_since, attempt, self._lot())
        await self._deliveries.settle(call, attempt, ended)
        ATTEMPTS.labels(_RESULTS[ended.status]).inc()
        if ended.disables:
            log.warning("webhook is called no more", webhook=call.webhook_id, reason=ended.disables.value)

    def _made(self, task: asyncio.Task[None]) -> None:
        call = self._calls.pop(task)
        # A place is free.
        self._bell.set()
        if not task.cancelled() and (error := task.exception()):
            # Its lease brings it back.
            log.warning("attempt could not be kept", delivery=call.id, exc_info=error)
