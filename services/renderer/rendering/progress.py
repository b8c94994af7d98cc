"""Tells the gateways where an image stands, at most twice a second; nobody waits for it."""

from contextlib import suppress
from typing import Literal

from contracts.transient import RenderProgress
from messaging.bus import Bus
from messaging.errors import Outage
from services.renderer.domain.jobs import Job, Key
from services.renderer.ports import Clock

#: Least seconds between two words about one image.
PAUSE = 0.5
#: Images remembered before the oldest are forgotten.
REMEMBERED = 10_000


class Progress:
    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._said: dict[Key, tuple[float, tuple[str, int, int]]] = {}

    async def queued(self, job: Job, ahead: int) -> None:
        await self._say(job, "queued", ahead=ahead)

    async def running(self, job: Job, step: int, steps: int) -> None:
        await self._say(job, "running", step, steps)

    async def _say(
        self, job: Job, stage: Literal["queued", "running"], step: int = 0, steps: int = 0, ahead: int = 0
    ) -> None:
        now, word = self._clock(), (stage, step, steps + ahead)
        last, before = self._said.get(job.key, (0.0, ("", 0, 0)))
        if word == before or now - last < PAUSE:
            return
        self._said.pop(job.key, None)
        self._said[job.key] = (now, word)
        if len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]
        key = job.key
        with suppress(Outage):
            await self._bus.publish(
                RenderProgress(
                    batch_id=key.batch_id,
                    ordinal=key.ordinal,
                    round=key.round,
                    index=job.index,
                    stage=stage,
                    step=step,
                    steps=steps,
                    ahead=ahead,
                )
            )
