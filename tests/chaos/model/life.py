"""A process that can die, or freeze, wherever it touches the world; and the ports through which it does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chassis.database import Database


class Killed(BaseException):
    """The process is gone. No `except Exception` hears of it, as none hears SIGKILL."""


class Life:
    """Crossings are the moments before and after each touch of the world."""

    def __init__(self) -> None:
        self.dead = False
        #: Tasks of this process that stand still: frozen, or waiting for a backend.
        self.still = 0
        #: Set whenever one more does, and at the end.
        self.stopped = asyncio.Event()
        self._dies_in: int | None = None
        self._freezes_in: int | None = None
        self._thawed = asyncio.Event()

    @property
    def frozen(self) -> bool:
        return self._freezes_in == 0 and not self._thawed.is_set()

    def dies_in(self, crossings: int) -> None:
        self._dies_in = crossings

    def freezes_in(self, crossings: int) -> None:
        """Counts only crossings that hold no transaction: what freezes inside one stops the whole file."""
        self._freezes_in = crossings

    def spared(self) -> None:
        """What was to come does not come."""
        self._dies_in = None
        if not self.frozen:
            self._freezes_in = None

    def thaw(self) -> None:
        self._thawed.set()

    def end(self) -> None:
        self.dead = True
        self._thawed.set()
        self.stopped.set()

    async def cross(self, outside: bool = False) -> None:
        self._check()
        if self._dies_in is not None:
            self._dies_in -= 1
            if self._dies_in <= 0:
                self.end()
                self._check()
        if outside and self._freezes_in is not None and self._freezes_in > 0:
            self._freezes_in -= 1
        if outside and self.frozen:
            async with self.standing_still():
                await self._thawed.wait()
            self._check()

    @asynccontextmanager
    async def standing_still(self) -> AsyncIterator[None]:
        self.still += 1
        self.stopped.set()
        try:
            yield
        finally:
            self.still -= 1

    def _check(self) -> None:
        if self.dead:
            raise Killed


class MortalDatabase(Database):
    """A database whose client may die before a transaction, in it right before the commit, or after it."""

    def __init__(self, engine: AsyncEngine, life: Life) -> None:
        super().__init__(engine)
        self._life = life

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        await self._life.cross()
        async with super().begin() as connection:
            yield connection
            await self._life.cross()
        await self._life.cross()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        await self._life.cross()
        async with super().read() as connection:
            yield connection


class Mortal:
    """A port of this process: each call may be its last, before it reaches the world or after."""

    def __init__(self, port: Any, life: Life) -> None:
        self._port, self._life = port, life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return self._fatal(found) if asyncio.iscoroutinefunction(found) else found

    def _fatal(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def crossing(*args: Any, **options: Any) -> Any:
            await self._life.cross(outside=True)
            answer = await call(*args, **options)
            await self._life.cross(outside=True)
            return answer

        return crossing
