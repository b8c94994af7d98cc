"""Tells the gateways where an image stands, at most twice a second; nobody waits for it."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from chassis.process import every
from contracts.transient import RenderProgress
from messaging.bus import Bus
from messaging.errors import Outage
from messaging.tracing import traceparent
from services.renderer.domain.jobs import Job, Key
from services.renderer.domain.remote import Queued, Running
from services.renderer.ports import Clock, Waiting

#: Least seconds between two words about one image.
PAUSE = 0.5
#: Seconds that a word waits for newer ones, and words said in one round at most: what is over by then needs
#: no word, and a thousand images that move at once are told of within seconds.
ROUND = 0.1
WORDS = 50
#: Images remembered before the oldest are forgotten.
REMEMBERED = 10_000


@dataclass(frozen=True)
class _Word:
    key: Key
    index: int
    stage: Literal["queued", "cold-start", "running"]
    step: int = 0
    steps: int = 0
    ahead: int = 0
    #: Where it was seen; it is said by somebody else.
    traceparent: str | None = field(default_factory=traceparent, compare=False)


class Progress:
    """A word waits for its round, and for its time if it comes too soon after the last one, unless a newer
    one takes its place: so the last word of each image that goes on is always said."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._said: dict[Key, tuple[float, _Word]] = {}
        self._held: dict[Key, _Word] = {}
        self._any_held = asyncio.Event()

    async def waiting(self, book: Waiting) -> None:
        """Tells the images that are next how many are rendered before them."""
        for head, ahead in (await book.waiting()).items():
            self._hold(_Word(head.key, head.index, "queued", ahead=ahead))

    def seen(self, job: Job, seen: Queued | Running) -> None:
        """Tells where the image stands at its backend."""
        match seen:
            case Running(step, steps):
                self._hold(_Word(job.key, job.index, "running", step, steps))
            case Queued(ahead, cold):
                stage: Literal["queued", "cold-start"] = "cold-start" if cold else "queued"
                self._hold(_Word(job.key, job.index, stage, ahead=ahead))

    def over(self, job: Job) -> None:
        """The image, or this try of it, has ended: what was still to be said of it is history."""
        self._held.pop(job.key, None)

    async def run(self) -> None:
        """Says what is held."""
        await every(ROUND, self._round, "progress")

    async def _round(self) -> None:
        """Most processes have nothing to say most of the time, and need not wake up for it."""
        for key in [key for key in self._held if self._is_time(key)][:WORDS]:
            # While another's word was said, this image may have ended.
            if word := self._held.pop(key, None):
                await self._say(word)
        if not self._held:
            self._any_held.clear()
            await self._any_held.wait()

    def _hold(self, word: _Word) -> None:
        if self._said.get(word.key, (0.0, None))[1] == word:
            self._held.pop(word.key, None)
            return
        self._held[word.key] = word
        self._any_held.set()

    async def _say(self, word: _Word) -> None:
        self._remember(word)
        with suppress(Outage):
            await self._bus.publish(
                RenderProgress(
                    **word.key._asdict(),
                    index=word.index,
                    stage=word.stage,
                    step=word.step,
                    steps=word.steps,
                    ahead=word.ahead,
                ),
                traces=[word.traceparent],
            )

    def _is_time(self, key: Key) -> bool:
        return key not in self._said or self._clock() - self._said[key][0] >= PAUSE

    def _remember(self, word: _Word) -> None:
        self._said.pop(word.key, None)
        self._said[word.key] = (self._clock(), word)
        if len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]
