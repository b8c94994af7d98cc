"""Work that concurrent callers share: one commit for many wishes, one answer for equal questions."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Generic, TypeVar

from messaging import tracing

W = TypeVar("W")
A = TypeVar("A")

#: Rests are this many times as long as what they follow.
RESTS = 3


class _Group(Generic[W, A]):
    """Wishes, and where the caller of each waits."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting: list[tuple[W, asyncio.Future[A]]] = []
        self._is_full = asyncio.Event()

    @property
    def full(self) -> bool:
        return self._is_full.is_set()

    def add(self, wish: W, answer: "asyncio.Future[A]") -> None:
        self.waiting.append((wish, answer))
        if len(self.waiting) >= self.most:
            self._is_full.set()

    async def filled(self, seconds: float) -> None:
        """Returns as soon as it is full, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_full.wait()


class Gathering(Generic[W, A]):
    """While one commit is under way, the wishes that arrive gather for the next; nobody waits for a timer.

    `commit` is called with at most `most` wishes, one call at a time, and answers each in its place. What it
    raises, every wish of that group gets. A caller that is cancelled leaves its wish in the group.

    With `rest`, seconds, a group of several wishes is followed by a rest of thrice what its commit took, that
    at the most, or until the next group is full: where many come, more of them come together. One that comes
    alone never waits.
    """

    def __init__(
        self, commit: Callable[[Sequence[W]], Awaitable[Sequence[A]]], most: int, rest: float = 0.0
    ) -> None:
        self._commit = commit
        self._most = most
        self._rest = rest
        self._rested_at = 0.0
        self._open: _Group[W, A] | None = None
        self._last: asyncio.Task[Sequence[A]] | None = None
        self._running: set[asyncio.Task[Any]] = set()

    async def __call__(self, wish: W) -> A:
        group = self._open
        if group is None or group.full:
            group = self._open = _Group(self._most)
            self._last = asyncio.create_task(self._run(group, self._last), context=tracing.apart())
            self._running.add(self._last)
            self._last.add_done_callback(partial(self._ended, group))
        # One for each, filled in at the end: the commit's task need not be shielded from every caller.
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        group.add(wish, answer)
        return await answer

    async def aclose(self) -> None:
        """Cancels what is under way; to be called when nobody waits any more."""
        await _end(self._running)

    async def _run(self, group: "_Group[W, A]", before: asyncio.Task[Any] | None) -> Sequence[A]:
        if before is not None:
            await asyncio.wait([before])
        if (left := self._rested_at - monotonic()) > 0:
            await group.filled(left)
        if self._open is group:
            self._open = None
        began = monotonic()
        try:
            return await self._commit([wish for wish, _ in group.waiting])
        finally:
            ended = monotonic()
            rest = min(RESTS * (ended - began), self._rest) if len(group.waiting) > 1 else 0.0
            self._rested_at = ended + rest

    def _ended(self, group: "_Group[W, A]", task: asyncio.Task[Sequence[A]]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        for place, (_, waiting) in enumerate(group.waiting):
            if waiting.done():  # its caller was cancelled
                continue
            if task.cancelled():
                waiting.cancel()
            elif error is not None:
                waiting.set_exception(error)
            else:
                waiting.set_result(task.result()[place])


class Shared(Generic[A]):
    """Callers that ask for the same key while `ask` is under way get its one answer, or its one error."""

    def __init__(self, ask: Callable[[str], Awaitable[A]]) -> None:
        self._ask = ask
        self._asking: dict[str, asyncio.Task[A]] = {}

    async def __call__(self, key: str) -> A:
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._run(key), context=tracing.apart())
        return await asyncio.shield(asking)

    async def aclose(self) -> None:
        """Cancels what is under way; to be called when nobody waits any more."""
        await _end(self._asking.values())

    async def _run(self, key: str) -> A:
        try:
            return await self._ask(key)
        finally:
            del self._asking[key]


async def _end(tasks: Any) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
