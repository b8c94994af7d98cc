"""Progress: every change of stage is told, never more than two words a second of one image, and a bounded
number of words of all."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from contracts.message import Message
from contracts.transient import RenderProgress
from messaging.bus import Subscription
from messaging.memory import MemoryBus
from services.renderer.domain.jobs import Batch, Job, Key
from services.renderer.domain.remote import Queued, Running
from services.renderer.rendering.progress import PAUSE, ROUND, WORDS, Progress
from tests.services.renderer.books import Clock
from tests.services.renderer.requests import reserved


@dataclass
class Listener:
    progress: Progress
    clock: Clock
    words: list[RenderProgress] = field(default_factory=list)

    async def hear(self, message: RenderProgress) -> Sequence[Message]:
        self.words.append(message)
        return ()

    @property
    def stages(self) -> list[str]:
        return [word.stage for word in self.words]

    async def heard(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.words) < count:  # noqa: ASYNC110 - the bus tells no one
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        assert len(self.words) == count


class SlowBus(MemoryBus):
    """Things happen while it says something."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[RenderProgress] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def publish(self, *messages: Message, traces: Sequence[str | None] = ()) -> None:
        self.meanwhile()
        self.said += [message for message in messages if isinstance(message, RenderProgress)]


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    bus, clock = MemoryBus(), Clock()
    made = Listener(Progress(bus, clock), clock)
    async with bus.consuming([Subscription("gateway", RenderProgress, made.hear)]):
        yield made


@asynccontextmanager
async def catching_up(listener: Listener) -> AsyncIterator[None]:
    task = asyncio.create_task(listener.progress.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def job(ordinal: int = 0) -> Job:
    batch = reserved(quantity=1000)
    made = Batch(batch.request, batch.folder, batch.first, batch.padding, seed=0)
    return Job(Key("b1", ordinal, 1), made, 0.0, 0, "one", f"key-{ordinal}", 0.0, fresh=True)


async def test_a_stage_that_begins_right_after_another_is_told_when_its_time_has_come(
    listener: Listener,
) -> None:
    async with catching_up(listener):
        listener.progress.seen(job(), Queued())
        await listener.heard(1)
        listener.progress.seen(job(), Running())
        await asyncio.sleep(2 * ROUND)
        await listener.heard(1)
        listener.clock.now += PAUSE
        await listener.heard(2)
    assert listener.stages == ["queued", "running"]


async def test_of_many_steps_at_once_the_last_one_is_told(listener: Listener) -> None:
    async with catching_up(listener):
        for step in range(1, 30):
            listener.progress.seen(job(), Running(step, 30))
        await listener.heard(1)
    assert [word.step for word in listener.words] == [29]


async def test_what_has_ended_is_not_told_of_any_more(listener: Listener) -> None:
    async with catching_up(listener):
        listener.progress.seen(job(), Queued())
        await listener.heard(1)
        listener.progress.seen(job(), Running())
        listener.progress.over(job())
        listener.clock.now += PAUSE
        await asyncio.sleep(3 * ROUND)
        await listener.heard(1)


async def test_what_is_over_within_a_round_is_not_told_of(listener: Listener) -> None:
    async with catching_up(listener):
        listener.progress.seen(job(), Running())
        listener.progress.over(job())
        await asyncio.sleep(3 * ROUND)
        await listener.heard(0)


async def test_the_same_word_is_not_told_twice_and_a_cold_start_is_another_one(listener: Listener) -> None:
    async with catching_up(listener):
        for seen, words in ((Queued(3), 1), (Queued(3), 1), (Queued(3, True), 2), (Queued(3, True), 2)):
            listener.progress.seen(job(), seen)
            listener.clock.now += PAUSE
            await listener.heard(words)
            await asyncio.sleep(2 * ROUND)
    await listener.heard(2)
    assert listener.stages == ["queued", "cold-start"]
    assert [word.ahead for word in listener.words] == [3, 3]


async def test_a_thousand_images_that_move_at_once_are_told_of_by_and_by(listener: Listener) -> None:
    images = 4 * WORDS
    for ordinal in range(images):
        listener.progress.seen(job(ordinal), Running())
    async with catching_up(listener):
        await listener.heard(WORDS)
        await listener.heard(images)
    assert Counter(word.ordinal for word in listener.words).most_common(1)[0][1] == 1


async def test_an_image_that_ends_while_another_is_told_of_holds_nobody_up() -> None:
    bus, clock = SlowBus(), Clock()
    made = Listener(Progress(bus, clock), clock, bus.said)
    for ordinal in range(3):
        made.progress.seen(job(ordinal), Running())
    bus.meanwhile = lambda: made.progress.over(job(1))
    with capture_logs() as logs:
        async with catching_up(made):
            await made.heard(2)
    assert [word.ordinal for word in made.words] == [0, 2]
    assert logs == []
