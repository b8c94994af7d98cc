"""Tells the gateways where an image stands, at most twice a second; nobody waits for it."""

from contextlib import suppress
from typing import Literal

from contracts.transient import RenderProgress
from messaging.bus import Bus
from messaging.errors import Outage
from services.renderer.domain.jobs import Job, Key
from services.renderer.ports import Clock, Waiting

#: Least seconds between two words about one image.
PAUSE = 0.5
#: Images remembered before the oldest are forgotten.
REMEMBERED = 10_000


class Progress:
    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._said: dict[Key, tuple[float, tuple[str, int, int]]] = {}

    async def waiting(self, book: Waiting) -> None:
        """Tells the images that are next how many are rendered before them."""
        for head, ahead in (await book.waiting()).items():
            await self._say(head.key, head.index, "queued", ahead=ahead)

    async def queued(self, job: Job, ahead: int) -> None:
        await self._say(job.key, job.index, "queued", ahead=ahead)

    async def running(self, job: Job, step: int, steps: int) -> None:
        await self._say(job.key, job.index, "running", step, steps)

    async def _say(
        self,
        key: Key,
        index: int,
        stage: Literal["queued", "running"],
        step: int = 0,
        steps: int = 0,
        ahead: int = 0,
    ) -> None:
        if not self._is_news(key, (stage, step, steps + ahead)):
            return
        word = RenderProgress(**key._asdict(), index=index, stage=stage, step=step, steps=steps, ahead=ahead)
        with suppress(Outage):
            await self._bus.publish(word)

    def _is_news(self, key: Key, word: tuple[str, int, int]) -> bool:
        now = self._clock()
        last, before = self._said.get(key, (0.0, ("", 0, 0)))
        if word == before or now - last < PAUSE:
            return False
        self._said.pop(key, None)
        self._said[key] = (now, word)
        if len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]
        return True
