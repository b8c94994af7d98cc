"""A handler that remembers what it heard and ends as it was told."""

import asyncio
from collections.abc import Sequence
from typing import Any

from contracts.message import Message

WITHIN_SECONDS = 15.0


class Ear:
    """Each delivery takes the next of `ends`: an exception is raised, messages are said; then nothing is."""

    def __init__(self, *ends: BaseException | Sequence[Message]) -> None:
        self.heard: list[Any] = []
        self.times: list[float] = []
        self._ends = list(ends)
        self._changed = asyncio.Condition()

    async def __call__(self, message: Message) -> Sequence[Message]:
        self.times.append(asyncio.get_running_loop().time())
        self.heard.append(message)
        async with self._changed:
            self._changed.notify_all()
        end = self._ends.pop(0) if self._ends else ()
        if isinstance(end, BaseException):
            raise end
        return end

    async def after(self, message: Message) -> None:
        """For what only listens."""
        await self(message)

    async def bury(self, message: Message, reason: str) -> Sequence[Message]:
        self.reason = reason
        return await self(message)

    async def hears(self, count: int = 1) -> list[Any]:
        """What was heard, once it is so much."""
        async with asyncio.timeout(WITHIN_SECONDS), self._changed:
            await self._changed.wait_for(lambda: len(self.heard) >= count)
        return self.heard


class Door(Ear):
    """A handler that is held up until somebody opens it; `inside` counts those that wait."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = asyncio.Event()
        self.left: list[Any] = []

    async def __call__(self, message: Message) -> Sequence[Message]:
        await super().__call__(message)
        await self.opened.wait()
        self.left.append(message)
        return ()
