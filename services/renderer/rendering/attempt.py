"""One try of one image on its backend: from the claim to bytes that are an image."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from messaging import tracing
from messaging.errors import Outage, TemporaryError
from services.renderer.domain.jobs import Job, Picture
from services.renderer.domain.remote import Finished, Lost, Queued, Remote, Running
from services.renderer.domain.troubles import Broke, Limits, NotSent, Passing, Unreachable
from services.renderer.domain.workflows import Bound
from services.renderer.ports import Fleet, Receipts, Renderer, Watch
from services.renderer.rendering.metrics import SUBMITTED
from services.renderer.rendering.progress import Progress

log = structlog.get_logger("renderer")

T = TypeVar("T")

#: Submits whose answers are lost, one after the other, before the try counts as failed.
SUBMITS = 3
#: Seconds that the answer to a submit is still waited for when nobody wants the image any more, or the
#: process stops: without it the job could neither be stopped nor be found again.
PARTING = 5.0


@dataclass
class Attempt:
    job: Job
    bound: Bound
    backend: Renderer
    fleet: Fleet
    receipts: Receipts
    limits: Limits
    progress: Progress
    examine: Callable[[bytes], Awaitable[Picture]]
    #: The job as the backend knows it by now.
    remote: Remote = field(init=False)
    #: Epoch of the loop's clock at which it was first seen to run.
    began: float | None = field(init=False, default=None)
    #: Whether it was in the queue when it was last seen.
    queued: bool = field(init=False, default=False)

    @property
    def waits(self) -> bool:
        """Whether the backend has the job and has not begun it, as far as anybody has seen."""
        return self.queued and self.began is None

    def __post_init__(self) -> None:
        self.remote = self.job.remote(self.bound.output)

    async def render(self) -> tuple[Picture, Finished]:
        """The picture, and what the backend said of its job; `gpu_ms` is known there. Raises Trouble."""
        with self.backend.watching(self.remote, self.limits.poll) as watch:
            ahead = self.backend.ahead
            await self._begin()
            self.progress.seen(self.job, Queued(ahead))
            finished = await self._awaited(watch)
            with tracing.span("fetch", backend=self.backend.name):
                data = await self._patiently(lambda: self.backend.fetch(finished.image))
            return await self.examine(data), finished

    async def _begin(self) -> None:
        """Makes sure that the job is at the backend, once. A job that somebody may have sent before us is
        looked for first: sending it again would render it twice."""
        if self.remote.receipt is not None or (not self.job.fresh and await self._located()):
            return
        sending = asyncio.ensure_future(self._send())
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            await asyncio.wait({sending}, timeout=PARTING)
            if not sending.cancel() and not sending.cancelled():
                sending.exception()
            raise

    async def _send(self) -> None:
        for _ in range(SUBMITS):
            try:
                with tracing.span("submit", backend=self.backend.name):
                    receipt = await self.backend.submit(self.remote, self.bound.graph)
            except NotSent as trouble:
                self.fleet.failed(self.backend.name, trouble.detail)
                raise
            except Unreachable as trouble:
                self._note(trouble)
            else:
                SUBMITTED.labels(self.backend.name).inc()
                await self._taken(receipt)
                return
            # The answer is lost, the job perhaps not.
            if await self._located():
                SUBMITTED.labels(self.backend.name).inc()
                return
        raise Passing("backend_error", f"{self.backend.name} does not answer when a job is sent")

    async def _located(self) -> bool:
        receipt = await self._patiently(lambda: self.backend.locate(self.remote))
        if receipt is not None:
            await self._taken(receipt)
        return receipt is not None

    async def _taken(self, receipt: str) -> None:
        """What the backend calls the job is in the book before anything else is asked of it."""
        if receipt == self.remote.key:
            return None
        self.remote = replace(self.remote, receipt=receipt)
        while True:
            try:
                return await self.receipts.note(self.job, receipt)
            except (Outage, TemporaryError) as why:
                log.info("waits for the database", reason=str(why))
            await asyncio.sleep(self.limits.rest)

    async def _awaited(self, watch: Watch) -> Finished:
        clock = asyncio.get_running_loop().time
        while True:
            seen = await self._patiently(lambda: watch.news(self.remote))
            if isinstance(seen, Running):
                self.began = self.began or clock()
            self.queued = isinstance(seen, Queued)
            if isinstance(seen, Queued | Running):
                self.progress.seen(self.job, seen)
            elif isinstance(seen, Finished):
                measured = round((clock() - (self.began or clock())) * 1000)
                return replace(seen, gpu_ms=measured if seen.gpu_ms is None else seen.gpu_ms)
            elif isinstance(seen, Lost):
                raise Passing(
                    "vanished", f"{self.backend.name} no longer knows the job; it may have restarted"
                )

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Asks until there is an answer. Where another backend could do the work instead, patience ends."""
        clock = asyncio.get_running_loop().time
        since: float | None = None
        while True:
            try:
                return await ask()
            except Unreachable as trouble:
                self._note(trouble)
                since = since or clock()
                if clock() - since >= self.limits.patience and self.fleet.elsewhere(self.backend.name):
                    raise
            await asyncio.sleep(self.limits.rest)

    def _note(self, trouble: Unreachable) -> None:
        if not isinstance(trouble, Broke):
            self.fleet.failed(self.backend.name, trouble.detail)
