"""Says how rows ended, after the end is committed; a sweep says what a crash or an outage left unsaid."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from chassis.process import every
from messaging.bus import Bus
from messaging.tracing import traceparent
from services.renderer.domain.troubles import Limits, overdue
from services.renderer.ports import Clock, Ending, Endings, Owed, Sweeping

#: Seconds between two sweeps, and the age at which an unsaid ending is nobody's business but theirs.
SWEEP = 1.0
UNSAID = 5.0
#: Endings that are said with one wait for the broker.
TOGETHER = 100


class Announcer:
    def __init__(self, bus: Bus, endings: Endings, book: Sweeping, limits: Limits, clock: Clock) -> None:
        self._bus = bus
        self._endings = endings
        self._book = book
        self._limits = limits
        self._clock = clock
        self._owed: list[Owed] = []
        self._news = asyncio.Event()

    def tell(self, ending: Ending) -> None:
        """The ending is committed; it is said soon."""
        self._owed.append(Owed(ending, traceparent()))
        self._news.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as loops:
            loops.create_task(every(0, self._wait_and_say, "announcements"))
            loops.create_task(every(SWEEP, self.sweep, "sweep", UNSAID))

    async def _wait_and_say(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SWEEP):
                await self._news.wait()
        # Whatever fails from here on is left to the sweep, which reads the job book.
        await self.say_owed()

    async def say_owed(self) -> None:
        """Some of what was told and not said yet. Raises Outage."""
        owed, self._owed = self._owed[:TOGETHER], self._owed[TOGETHER:]
        if not self._owed:
            self._news.clear()
        await self._say(owed)

    async def sweep(self) -> bool:
        """Ends what is overdue, and says what nobody has said; whether there was any. Raises Outage."""
        now = self._clock()
        late = overdue(self._limits)
        ended = await self._book.end_overdue(now - self._limits.image, late.detail)
        unsaid = await self._book.unannounced(now - UNSAID)
        await self._say(unsaid)
        return bool(ended or unsaid)

    async def _say(self, owed: Sequence[Owed]) -> None:
        if owed:
            endings = [each.ending for each in owed]
            await self._bus.publish(*endings, traces=[each.traceparent for each in owed])
            await self._endings.announced(endings)
