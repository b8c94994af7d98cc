"""Says how rows ended, after the end is committed; a sweep says what a crash or an outage left unsaid."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from chassis.process import every
from messaging.bus import Bus
from messaging.errors import Outage, TemporaryError
from messaging.tracing import traceparent
from services.renderer.domain.troubles import Limits, overdue
from services.renderer.ports import Clock, Ending, Endings, Owed, Sweeping

#: Seconds between two sweeps, and the age at which an unsaid ending is nobody's business but theirs.
SWEEP = 1.0
UNSAID = 5.0
#: Endings that are said with one wait for the broker.
TOGETHER = 100
#: Seconds after which the job book is told what was said, all with one commit: long before a sweep looks for
#: it, and whatever a crash in between leaves unmarked is said again, which nobody minds.
MARK = 0.5


class Announcer:
    def __init__(self, bus: Bus, endings: Endings, book: Sweeping, limits: Limits, clock: Clock) -> None:
        self._bus = bus
        self._endings = endings
        self._book = book
        self._limits = limits
        self._clock = clock
        self._owed: list[Owed] = []
        #: And not marked as announced yet.
        self._said: list[Ending] = []
        self._any_said = asyncio.Event()
        self._news = asyncio.Event()

    def tell(self, ending: Ending) -> None:
        """The ending is committed; it is said soon."""
        self._owed.append(Owed(ending, traceparent()))
        self._news.set()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(every(0, self._wait_and_say, "announcements"))
                loops.create_task(every(0, self._rest_and_mark, "said endings"))
                loops.create_task(every(SWEEP, self.sweep, "sweep", UNSAID))
        finally:
            with suppress(Outage, TemporaryError):
                await self.mark()

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

    async def _rest_and_mark(self) -> None:
        await self._any_said.wait()
        await asyncio.sleep(MARK)
        await self.mark()

    async def mark(self) -> None:
        """Writes down what was said. Where that fails, the next time is in time, too. Raises Outage."""
        said, self._said = self._said, []
        self._any_said.clear()
        if not said:
            return
        try:
            await self._endings.announced(said)
        except BaseException:
            self._keep([*said, *self._said])
            raise

    def _keep(self, said: list[Ending]) -> None:
        self._said = said
        if said:
            self._any_said.set()

    async def sweep(self) -> bool:
        """Ends what is overdue, and says what nobody has said; whether there was any. Raises Outage."""
        now = self._clock()
        late = overdue(self._limits)
        ended = await self._book.end_overdue(now - self._limits.image, late.detail)
        unsaid = await self._book.unannounced(now - UNSAID)
        await self._say(unsaid)
        # At once, or the next sweep would say them again.
        await self.mark()
        return bool(ended or unsaid)

    async def _say(self, owed: Sequence[Owed]) -> None:
        if owed:
            endings = [each.ending for each in owed]
            await self._bus.publish(*endings, traces=[each.traceparent for each in owed])
            self._keep([*self._said, *endings])
