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
#: Seconds between two rounds of words that had to wait, and words said in between at most: a thousand
#: images that move at once are told of within seconds, and cost the broker no more than a few.
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
    #: Where it was seen; a word that waits is said by somebody else.
    traceparent: str | None = field(default_factory=traceparent, compare=False)


class Progress:
    """A word that comes too soon after the last one waits for its time, unless a newer one takes its place:
    so the last word of each image is always said."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._said: dict[Key, tuple[float, _Word]] = {}
        self._held: dict[Key, _Word] = {}
        self._any_held = asyncio.Event()
        self._left = WORDS

    async def waiting(self, book: Waiting) -> None:
        """Tells the images that are next how many are rendered before them."""
        for head, ahead in (await book.waiting()).items():
            await self._say(_Word(head.key, head.index, "queued", ahead=ahead))

    async def seen(self, job: Job, seen: Queued | Running) -> None:
        """Tells where the image stands at its backend."""
        match seen:
            case Running(step, steps):
                await self._say(_Word(job.key, job.index, "running", step, steps))
            case Queued(ahead, cold):
                stage: Literal["queued", "cold-start"] = "cold-start" if cold else "queued"
                await self._say(_Word(job.key, job.index, stage, ahead=ahead))

    def over(self, job: Job) -> None:
        """The image, or this try of it, has ended: what was still to be said of it is history."""
        self._held.pop(job.key, None)

    async def run(self) -> None:
        """Says what had to wait."""
        await every(ROUND, self._round, "progress")

    async def _round(self) -> None:
        """Most processes have nothing to say most of the time, and need not wake up for it."""
        await self._catch_up()
        if not self._held:
            self._any_held.clear()
            await self._any_held.wait()

    async def _catch_up(self) -> None:
        self._left = WORDS
        for key in [key for key in self._held if self._is_time(key)][:WORDS]:
            # While another's word was said, this image may have ended, or said its own.
            if word := self._held.pop(key, None):
                await self._say(word)

    async def _say(self, word: _Word) -> None:
        if self._said.get(word.key, (0.0, None))[1] == word:
            self._held.pop(word.key, None)
            return
        if not self._is_time(word.key) or not self._left:
            self._held[word.key] = word
            self._any_held.set()
            return
        self._held.pop(word.key, None)
        self._left -= 1
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
