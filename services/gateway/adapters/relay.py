"""Sends what the outbox holds: at once when something is put in, and again when nobody answers.

A batch that is accepted here need not be looked for: its command is put in as if this process had taken it
already, and handed over in memory after the commit. Whoever dies in between leaves it due after a short turn.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Protocol

from prometheus_client import Gauge

from chassis.process import every
from contracts.message import Message
from messaging.errors import Outage, TemporaryError
from services.gateway.adapters.sql_outbox import SqlOutbox
from services.gateway.ports import Due

OLDEST = Gauge("darkroom_outbox_age_seconds", "Age of the oldest command that is not answered")
UNSENT = Gauge("darkroom_outbox_unsent_seconds", "Age of the oldest command that could not be sent yet")

#: Seconds between two looks when nobody rings, and while nothing is unanswered; commands sent at once.
LOOK, IDLE, GROUP = 1.0, 5.0, 100
#: Seconds at least between two looks: what is put in meanwhile goes out together. After a pause nobody waits.
BREATH = 0.05
#: Seconds that what is handed over is left to this process. Sending takes milliseconds, and twice is once.
HANDED = 5.0


class Carrier(Protocol):
    """As much of the bus as is used here."""

    async def publish(self, *messages: Message, traces: Sequence[str | None] = ()) -> None: ...


class Relay:
    """One per process; replicas share the work through the outbox. `clock` gives epoch seconds."""

    def __init__(self, outbox: SqlOutbox, bus: Carrier, clock: Callable[[], float] = time.time) -> None:
        self._outbox = outbox
        self._bus = bus
        self._clock = clock
        self._bell = asyncio.Event()
        self._bell.set()
        #: Accepted here, in the outbox, and nobody else's to send.
        self._handed: list[Due] = []
        self._running = False
        self._rung = True
        self._looked = self._aged = 0.0
        self._rest = LOOK
        #: When the outbox is looked into though nobody rings; None after a look, until the rest begins.
        self._due_at: float | None = None

    def turn(self) -> float:
        """Seconds for which what is put into the outbox now is left to this process, if it is handed over
        after its commit. 0 where it must be found in the outbox: nobody sends here, or what is in hand does
        not get away."""
        return HANDED if self._running and len(self._handed) < GROUP else 0.0

    def hand(self, accepted: Sequence[Due]) -> None:
        """These were put into the outbox with a turn of ours."""
        self._handed += accepted
        self._bell.set()

    def ring(self) -> None:
        """Something was put into the outbox."""
        self._rung = True
        self._bell.set()

    async def run(self) -> None:
        """Looks for ever; a look that fails is followed by the next one. What is still in hand at the end is
        anybody's."""
        self._running = True
        try:
            await every(0, self._look, "outbox")
        finally:
            self._running = False
            if left := [due.id for due in self._handed]:
                # Else it is due when its turn is over.
                with suppress(Outage, TemporaryError):
                    await self._outbox.unsent(left, self._clock())

    async def _look(self) -> None:
        if self._due_at is None:
            self._due_at = monotonic() + self._rest
        # Not `wait_for`: in Python 3.11 it loses a cancellation that comes together with the bell.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._due_at - monotonic()):
                await self._bell.wait()
                await asyncio.sleep(self._looked + BREATH - monotonic())
        self._bell.clear()
        self._looked = monotonic()
        if self._handed:
            self._due_at = min(self._due_at, self._looked + LOOK)
            handed, self._handed = self._handed, []
            await self._send(handed)
        if self._rung or self._looked >= self._due_at:
            await self._look_into_outbox()

    async def _look_into_outbox(self) -> None:
        self._rung, self._due_at = False, None
        # Also after a look that fails.
        self._rest = LOOK
        while await self.send_due() == GROUP:
            pass
        await self._tell_age()

    async def _tell_age(self) -> None:
        """Once a second is often enough for whoever reads it."""
        if monotonic() < self._aged + LOOK:
            return
        oldest, self._aged = await self._outbox.oldest(), monotonic()
        # What another process put in and could not send is looked for, but not in a hurry.
        self._rest = LOOK if any(since is not None for since in oldest) else IDLE
        for gauge, since in zip((OLDEST, UNSENT), oldest, strict=True):
            gauge.set(0 if since is None else max(self._clock() - since, 0))

    async def send_due(self) -> int:
        """One group of what is due now; how many it were. Raises Outage."""
        taken = await self._outbox.due(self._clock(), GROUP)
        if taken:
            await self._send(taken)
        return len(taken)

    async def _send(self, taken: Sequence[Due]) -> None:
        """Raises Outage."""
        keys = [due.id for due in taken]
        try:
            await self._bus.publish(
                *(due.command for due in taken), traces=[due.traceparent for due in taken]
            )
        except Outage:
            # Not to wait for the end of the turn: the broker may be back in a moment.
            await self._outbox.unsent(keys, self._clock())
            raise
        await self._outbox.sent(keys, self._clock())
