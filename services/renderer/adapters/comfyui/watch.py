"""One job at one server: the socket's hints, and a look at the server in between."""

import asyncio
from collections.abc import Awaitable, Callable

from services.renderer.adapters.comfyui.listener import JobWatch
from services.renderer.domain.remote import Remote, Running, Seen


class PodWatch:
    """`poll`: seconds between two looks where the socket says nothing."""

    def __init__(self, told: JobWatch, look: Callable[[Remote], Awaitable[Seen]], poll: float) -> None:
        self._told = told
        self._look = look
        self._poll = poll
        self._clock = asyncio.get_running_loop().time
        self._looked = self._clock()

    async def news(self, remote: Remote) -> Seen:
        moved = await self._told.wait(self._poll)
        if not moved and self._told.running and self._clock() - self._looked < self._poll:
            return self._step
        self._looked = self._clock()
        seen = await self._look(remote)
        return self._step if isinstance(seen, Running) else seen

    @property
    def _step(self) -> Running:
        return Running(self._told.step, self._told.steps)
