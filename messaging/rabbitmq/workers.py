"""At most so many handlers at once, in tasks of our own: the library cancels its own with the connection."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, Generic, TypeVar

import structlog

from messaging.consumer import PATIENCE
from messaging.ending import ended

log = structlog.get_logger("messaging")

D = TypeVar("D")


class Workers(Generic[D]):
    """`kept` bounds what waits for its turn; the oldest of too many is dropped."""

    def __init__(
        self, handle: Callable[[D], Coroutine[Any, Any, None]], width: int, kept: int | None = None
    ) -> None:
        self._handle = handle
        self._width = width
        self._waiting: deque[D] = deque(maxlen=kept)
        #: What each task knows of its delivery, for lines about it from outside.
        self._running: dict[asyncio.Task[None], Context] = {}
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
            for task in late:
                said = "handler cancelled: it did not end in time"
                self._running[task].run(log.warning, said, seconds=PATIENCE)
            await ended(late)

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self._width and not self.ending.is_set():
            begun, context = self._handle(self._waiting.popleft()), copy_context()
            task = asyncio.get_running_loop().create_task(begun, context=context)
            self._running[task] = context
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._running[task]
        if not task.cancelled():
            # `attending` has told of it.
            task.exception()
        self._begin()
