"""One job at one server: the socket's hints, and a look at the server in between."""

import asyncio
from collections.abc import Awaitable, Callable

from services.renderer.adapters.comfyui.listener import JobWatch
from services.renderer.domain.remote import Remote, Running, Seen

Look = Callable[[Remote], Awaitable[Seen]]


class PodWatch:
    """`poll`: seconds between two looks where the socket says nothing. `look_at_end` is the look that follows
    the socket's word that the job moved on."""

    def __init__(self, told: JobWatch, look: Look, look_at_end: Look, poll: float) -> None:
        self._told = told
        self._look = look
        self._look_at_end = look_at_end
        self._poll = poll
        self._clock = asyncio.get_running_loop().time
        self._looked = self._clock()

    async def news(self, remote: Remote) -> Seen:
        moved = await self._told.wait(self._poll)
        if not moved and self._told.running and self._clock() - self._looked < self._poll:
            return self._step
        self._looked = self._clock()
        seen = await (self._look_at_end if moved else self._look)(remote)
        return self._step if isinstance(seen, Running) else seen

    @property
    def _step(self) -> Running:
        return Running(self._told.step, self._told.steps)
