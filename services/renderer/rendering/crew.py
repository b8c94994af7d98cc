"""The loop beside the handlers: claims rows for free slots, drives each in a task, keeps their leases."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from chassis.process import every
from messaging.ending import ended
from messaging.errors import Outage, TemporaryError
from services.renderer.domain.jobs import Job, Key
from services.renderer.ports import Claims, Fleet
from services.renderer.rendering.about import at_work
from services.renderer.rendering.attempt import PARTING

log = structlog.get_logger("renderer")

Drive = Callable[[Job, asyncio.Event], Coroutine[Any, Any, None]]
#: Seconds between two looks at the job book where nothing wakes the loop, and where there is nothing in it:
#: then only a batch can change that, and whoever takes one in rings.
POLL, QUIET = 1.0, 4.0
#: Rest after a claim, in times of what it took: a thousand images that end one by one must not make a
#: thousand claims, each of which counts all that run. And seconds at most: where machine or database are busy
#: a claim takes long, and backends must not run dry meanwhile.
REST, LONGEST_REST = 3.0, 0.1
#: The rest is over when so large a part of what runs has ended: those share the next claim.
ENOUGH = 0.5


class Crew:
    """`lease` in seconds: three heartbeats may be lost."""

    def __init__(self, claims: Claims, fleet: Fleet, drive: Drive, wake: asyncio.Event, lease: float) -> None:
        self._claims = claims
        self._fleet = fleet
        self._drive = drive
        self._wake = wake
        self._lease = lease
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._jobs: dict[Key, Job] = {}
        self._cancels: dict[Key, asyncio.Event] = {}
        #: Images that may still end until it is worth to claim again.
        self._left = 0
        self._enough = asyncio.Event()

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    async def run(self) -> None:
        """Until it is cancelled: then the remote jobs go on, and whoever claims next goes on from them."""
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(every(0, self._claim, "claims"))
                loops.create_task(every(self._lease / 4, self._beat, "leases"))
                loops.create_task(every(min(POLL, self._lease / 4), self._hear, "cancels"))
        finally:
            await self._let_go()

    async def _claim(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET if self._claims.quiet else POLL):
                await self._wake.wait()
        self._wake.clear()
        began = time.monotonic()
        jobs = await self._claims.claim(self._fleet.offers(), self._fleet.known())
        for job in jobs:
            if job.key not in self._tasks:  # else our own lease ran out while we were still at it
                self._start(job)
        if jobs:
            # One claim takes a bounded number of rows, and there may be room for more.
            self._wake.set()
        await self._rest(min(LONGEST_REST, REST * (time.monotonic() - began)))

    async def _rest(self, seconds: float) -> None:
        self._left = math.ceil(ENOUGH * len(self._tasks))
        self._enough.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._enough.wait()

    def _start(self, job: Job) -> None:
        cancel = self._cancels[job.key] = asyncio.Event()
        self._jobs[job.key] = job
        task = self._tasks[job.key] = asyncio.create_task(self._drive(job, cancel))
        task.add_done_callback(partial(self._ended, job.key))

    def _ended(self, key: Key, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            # Its lease runs out, and the next claim goes on from there.
            with at_work(self._jobs[key], "let go", quiet=True):
                log.error("row left to its lease", exc_info=error)
        del self._tasks[key], self._cancels[key], self._jobs[key]
        self._wake.set()
        self._left -= 1
        if self._left <= 0:
            self._enough.set()

    async def _beat(self) -> None:
        held = set(self._tasks)
        kept = await self._claims.extend(held)
        for key in held - kept:
            if key in self._tasks:
                with at_work(self._jobs[key], "let go", quiet=True):
                    log.info("lease lost")
                self._tasks[key].cancel()

    async def _hear(self) -> None:
        if self._tasks:
            for key in await self._claims.cancelled():
                if key in self._cancels:
                    self._cancels[key].set()

    async def _let_go(self) -> None:
        held = list(self._tasks)
        await ended(self._tasks.values(), again=2 * PARTING)
        with suppress(Outage, TemporaryError):
            await self._claims.release(held)
