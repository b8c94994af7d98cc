"""At most so many handlers at once, in tasks of our own: the library cancels its own with the connection."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from messaging.consumer import PATIENCE
from messaging.ending import ended

log = structlog.get_logger("messaging")

D = TypeVar("D")


class Workers(Generic[D]):
    """`kept` bounds what waits for its turn; the oldest of too many is dropped."""

    def __init__(self, handle: Callable[[D], Awaitable[None]], width: int, kept: int | None = None) -> None:
        self._handle = handle
        self._width = width
        self._waiting: deque[D] = deque(maxlen=kept)
        self._running: set[asyncio.Task[None]] = set()
        #: Set when nothing new shall begin.
        self.ending = asyncio.Event()

    def take(self, delivery: D) -> None:
        self._waiting.append(delivery)
        self._begin()

    def forget(self) -> None:
        """Drops what was not begun; the broker still has it."""
        self._waiting.clear()

    async def end(self) -> None:
        """Returns when nothing runs any more, which may take PATIENCE."""
        self.ending.set()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=PATIENCE)
            for _ in late:
                log.warning("handler cancelled: it did not end in time", seconds=PATIENCE)
            await ended(late)

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self._width and not self.ending.is_set():
            task = asyncio.ensure_future(self._handle(self._waiting.popleft()))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a delivery was left to the broker", exc_info=error)
        self._begin()
