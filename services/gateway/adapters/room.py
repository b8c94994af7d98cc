"""Everybody in this process who waits for news of the same thing, and what is read once for all of them."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Protocol, TypeVar

from contracts.transient import RenderProgress
from messaging import tracing

T = TypeVar("T")

#: Small things that are remembered between two rings.
REMEMBERED = 256


class Hears(Protocol):
    """Somebody who is woken."""

    def ring(self) -> None: ...

    def end(self) -> None: ...

    def step(self, progress: RenderProgress) -> None: ...


class Room:
    """What is read here is as true as the last ring: who rings it has it read anew by whoever looks next.
    Whoever is in the room before he looks hears the ring of everything that his look did not show."""

    def __init__(self) -> None:
        self.ears: set[Hears] = set()
        #: How many steps of renders were heard here.
        self.steps = 0
        self._reading: dict[Hashable, asyncio.Task[Any]] = {}
        self._known: dict[Hashable, Any] = {}

    def ring(self) -> None:
        # Readings that are under way stay with those who wait for them: they began before this ring.
        self._reading, self._known = {}, {}
        for ear in self.ears:
            ear.ring()

    def end(self) -> None:
        """A ring that says what it is about."""
        self.ring()
        for ear in self.ears:
            ear.end()

    def step(self, progress: RenderProgress) -> None:
        self.steps += 1
        for ear in self.ears:
            ear.step(progress)

    async def once(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `read` says, asked once for everybody until the next ring. Raises what it raises; after that,
        and after None, the next one asks again."""
        readings = self._reading
        task: asyncio.Task[T] | None = readings.get(key)
        if task is None:
            task = readings[key] = asyncio.create_task(read(), context=tracing.apart())
            task.add_done_callback(lambda done: None if _useful(done) else readings.pop(key, None))
        # Who leaves takes nothing away from the others.
        return await asyncio.shield(task)

    def recalled(self, key: Hashable, make: Callable[[], T]) -> T:
        """The same for what needs no waiting."""
        if key not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = make()
        made: T = self._known[key]
        return made

    def leave(self) -> None:
        """Nobody is here any longer."""
        for task in self._reading.values():
            task.cancel()


def _useful(task: asyncio.Task[Any]) -> bool:
    # Asking for the exception tells the loop that somebody knows of it.
    return not task.cancelled() and task.exception() is None and task.result() is not None
