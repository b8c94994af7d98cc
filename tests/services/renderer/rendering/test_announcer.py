"""Endings are said at once and marked together; what could not be marked is marked later."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from contracts.events import ImageFailed
from contracts.message import Message
from messaging.errors import Outage
from messaging.memory import MemoryBus
from services.renderer.domain.jobs import Batch, Job, Key, failed
from services.renderer.domain.troubles import Again, Limits
from services.renderer.ports import Ending, Owed
from services.renderer.rendering.announcer import MARK, Announcer
from tests.services.renderer.books import Clock
from tests.services.renderer.requests import reserved


class Listening(MemoryBus):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[int] = []

    async def publish(self, *messages: Message, traces: Sequence[str | None] = ()) -> None:
        self.said += [message.ordinal for message in messages if isinstance(message, ImageFailed)]


@dataclass
class Book:
    """What was marked, commit by commit."""

    marks: list[list[int]] = field(default_factory=list)
    away: bool = False
    owed: list[Owed] = field(default_factory=list)
    sweeps: int = 0

    @property
    def marked(self) -> list[int]:
        return sorted(ordinal for commit in self.marks for ordinal in commit)

    async def end(self, job: Job, ending: Ending) -> bool:
        raise NotImplementedError

    async def put_back(self, job: Job, again: Again) -> None:
        raise NotImplementedError

    async def announced(self, messages: Sequence[Ending]) -> None:
        if self.away:
            raise Outage("the book is away")
        if messages:
            self.marks.append([message.ordinal for message in messages])

    async def unannounced(self, older_than: float) -> Sequence[Owed]:
        owed, self.owed = self.owed, []
        return owed

    async def end_overdue(self, created_before: float, detail: str) -> int:
        self.sweeps += 1
        return 0


@dataclass
class Scene:
    bus: Listening
    book: Book
    announcer: Announcer

    async def until_marked(self, *ordinals: int) -> None:
        async with asyncio.timeout(5):
            while self.book.marked != list(ordinals):  # noqa: ASYNC110 - the book tells no one
                await asyncio.sleep(0.01)


def scene() -> Scene:
    bus, book = Listening(), Book()
    limits = Limits(rest=0.1, poll=1.0, patience=1.0)
    return Scene(bus, book, Announcer(bus, book, book, limits, Clock()))


@asynccontextmanager
async def running() -> AsyncIterator[Scene]:
    made = scene()
    task = asyncio.create_task(made.announcer.run())
    try:
        async with asyncio.timeout(5):
            while not made.book.sweeps:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])


def ending(ordinal: int) -> ImageFailed:
    batch = reserved(quantity=100)
    made = Batch(batch.request, batch.folder, batch.first, batch.padding, seed=0)
    return failed(Key("b1", ordinal, 1), made, "node_failed", "broken")


async def said(made: Scene, *ordinals: int) -> None:
    for ordinal in ordinals:
        made.announcer.tell(ending(ordinal))
        await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        while len(made.bus.said) < len(ordinals):  # noqa: ASYNC110 - the bus tells no one
            await asyncio.sleep(0.005)


async def test_endings_that_were_said_one_by_one_are_marked_with_one_commit() -> None:
    async with running() as made:
        await said(made, *range(6))
        assert made.bus.said == list(range(6))
        await made.until_marked(*range(6))
        # A sweep may have come in between.
        assert len(made.book.marks) <= 2


async def test_what_could_not_be_marked_is_marked_when_the_book_is_back() -> None:
    async with running() as made:
        made.book.away = True
        await said(made, 0, 1)
        await asyncio.sleep(MARK + 0.2)
        made.book.away = False
        made.announcer.tell(ending(2))
        await made.until_marked(0, 1, 2)
    assert made.bus.said == [0, 1, 2]


async def test_a_process_that_stops_marks_what_it_has_said() -> None:
    async with running() as made:
        await said(made, 0, 1, 2)
    assert made.book.marked == [0, 1, 2]


async def test_what_a_sweep_says_is_marked_before_the_next_one_looks() -> None:
    made = scene()
    made.book.owed = [Owed(ending(0), None)]
    assert await made.announcer.sweep()
    assert (made.bus.said, made.book.marks) == ([0], [[0]])
