"""When the loop claims again."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from services.renderer.domain.dispatch import Offer
from services.renderer.domain.jobs import Batch, Job, Key
from services.renderer.rendering import crew as module
from services.renderer.rendering.crew import Crew
from tests.services.renderer.requests import reserved


@dataclass
class Book:
    """Gives its jobs to the first who claims."""

    jobs: list[Job]
    quiet: bool = False
    claims: "asyncio.Queue[int]" = field(default_factory=asyncio.Queue)

    async def claim(self, offers: Sequence[Offer], known: Collection[str]) -> Sequence[Job]:
        await asyncio.sleep(0.001)
        given, self.jobs = self.jobs, []
        self.claims.put_nowait(len(given))
        return given

    async def extend(self, keys: Collection[Key]) -> set[Key]:
        return set(keys)

    async def release(self, keys: Collection[Key]) -> None: ...

    async def cancelled(self) -> set[Key]:
        return set()


class Fleet:
    def offers(self) -> list[Offer]:
        return []

    def known(self) -> list[str]:
        return []


@dataclass
class Work:
    """Images that end when they are told to."""

    ends: dict[int, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))

    async def drive(self, job: Job, _cancel: asyncio.Event) -> None:
        await self.ends[job.key.ordinal].wait()


def job(ordinal: int) -> Job:
    made = reserved(quantity=8)
    batch = Batch(made.request, made.folder, made.first, made.padding, seed=0)
    return Job(Key("b1", ordinal, 1), batch, 0.0, 0, "one", f"r{ordinal}", 0.0, fresh=True)


@asynccontextmanager
async def running(book: Book, work: Work) -> AsyncIterator[asyncio.Event]:
    wake = asyncio.Event()
    crew = Crew(book, Fleet(), work.drive, wake, 60.0)  # type: ignore[arg-type]
    task = asyncio.create_task(crew.run())
    try:
        async with asyncio.timeout(10):
            yield wake
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_the_rest_is_over_when_half_of_what_runs_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_REST", 60.0)
    monkeypatch.setattr(module, "REST", 1e6)
    book, work = Book([job(n) for n in range(4)]), Work()
    async with running(book, work) as wake:
        wake.set()
        assert await book.claims.get() == 4
        work.ends[0].set()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await book.claims.get()
        work.ends[1].set()
        assert await book.claims.get() == 0


async def test_whoever_found_the_book_empty_looks_less_often_and_hears_the_bell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "POLL", 0.02)
    monkeypatch.setattr(module, "QUIET", 60.0)
    book = Book([])
    async with running(book, Work()) as wake:
        for _ in range(3):
            assert await book.claims.get() == 0
        book.quiet = True
        while not book.claims.empty():
            book.claims.get_nowait()
        await asyncio.sleep(0.1)
        before = book.claims.qsize()
        await asyncio.sleep(0.1)
        assert book.claims.qsize() == before
        wake.set()
        async with asyncio.timeout(5):
            for _ in range(before + 1):
                await book.claims.get()
