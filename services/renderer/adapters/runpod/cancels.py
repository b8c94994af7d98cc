"""Cancels of jobs, one after the other: RunPod takes ten a second, and a batch may be a thousand."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context

import structlog

from services.renderer.adapters.runpod.client import TooMany
from services.renderer.adapters.runpod.pace import Rate
from services.renderer.domain.troubles import Trouble, Unreachable

log = structlog.get_logger("renderer")

#: Attempts to cancel one job; after them its time limit ends it.
TRIES = 5
#: Seconds of rest where the API does not answer.
REST = 1.0


class Cancels:
    """`send` cancels one job."""

    def __init__(self, send: Callable[[str], Awaitable[None]], rate: Rate) -> None:
        self._send = send
        self._rate = rate
        self._clock = asyncio.get_running_loop().time
        #: With what is known of whose job it is, for lines about it.
        self._unwanted: asyncio.Queue[tuple[str, Context]] = asyncio.Queue()
        self._done: dict[str, asyncio.Event] = {}

    async def cancel(self, receipt: str) -> None:
        """Returns when it was told. Whoever stops waiting leaves the job in the line all the same."""
        if receipt not in self._done:
            self._done[receipt] = asyncio.Event()
            self._unwanted.put_nowait((receipt, copy_context()))
        await self._done[receipt].wait()

    async def run(self) -> None:
        """Cancels for ever."""
        while True:
            receipt, whose = await self._unwanted.get()
            try:
                if why := await self._surely(receipt):
                    whose.run(log.warning, "remote job not cancelled", job=receipt, reason=why)
            finally:
                self._done.pop(receipt).set()

    async def _surely(self, receipt: str) -> str | None:
        """Why it was not cancelled, if it was not."""
        for _ in range(TRIES):
            await asyncio.sleep(self._rate.step(self._clock()))
            try:
                await self._send(receipt)
            except TooMany as why:
                self._rate.refused(self._clock(), why.seconds)
            except Unreachable:
                await asyncio.sleep(REST)
            except Trouble as why:
                return why.detail
            else:
                self._rate.answered()
                return None
        return "RunPod did not take it"
