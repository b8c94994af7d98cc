"""One try of one image on its backend: from the claim to bytes that are an image."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from services.renderer.domain.jobs import Job, Picture
from services.renderer.domain.remote import File, Finished, Lost, Running, Seen
from services.renderer.domain.troubles import Broke, Limits, NotSent, Passing, Unreachable
from services.renderer.domain.workflows import Bound
from services.renderer.ports import Fleet, Renderer, Watch
from services.renderer.rendering.metrics import SUBMITTED
from services.renderer.rendering.progress import Progress

T = TypeVar("T")

#: Submits whose answers are lost, one after the other, before the try counts as failed.
SUBMITS = 3


@dataclass(frozen=True)
class Attempt:
    job: Job
    bound: Bound
    backend: Renderer
    fleet: Fleet
    limits: Limits
    progress: Progress
    examine: Callable[[bytes], Awaitable[Picture]]

    async def render(self) -> tuple[Picture, int]:
        """The picture and its milliseconds on the GPU. Raises Trouble."""
        with self.backend.watching(self.job.remote_id) as watch:
            await self.progress.queued(self.job, ahead=max(0, self.backend.load - 1))
            finished = await self._begun()
            if finished is None:
                finished = await self._awaited(watch)
            data = await self._patiently(lambda: self.backend.fetch(finished.file))
            return await self.examine(data), finished.gpu_ms or 0

    async def _begun(self) -> Finished | None:
        """Makes sure that the job is at the backend, once. A job that somebody may have sent before us is
        looked for first: sending it again would render it twice."""
        if self.job.fresh:
            return await self._submitted()
        seen = await self._look()
        if isinstance(seen, Lost):
            return await self._submitted()
        return seen if isinstance(seen, Finished) else None

    async def _submitted(self) -> Finished | None:
        for _ in range(SUBMITS):
            try:
                await self.backend.submit(self.job.remote_id, self.bound.graph)
                SUBMITTED.labels(self.backend.name).inc()
                return None
            except NotSent as trouble:
                self.fleet.failed(self.backend.name, trouble.detail)
                raise
            except Unreachable as trouble:
                self._note(trouble)
            # The answer is lost, the job perhaps not.
            seen = await self._look()
            if not isinstance(seen, Lost):
                return seen if isinstance(seen, Finished) else None
        raise Passing("backend_error", f"{self.backend.name} does not answer when a job is sent")

    async def _awaited(self, watch: Watch) -> Finished:
        clock = asyncio.get_running_loop().time
        looked = clock()
        began: float | None = None
        while True:
            moved = await watch.wait(self.limits.poll)
            if watch.running:
                began = began or clock()
                await self.progress.running(self.job, watch.step, watch.steps)
            if not moved and clock() - looked < self.limits.poll:
                continue
            seen = await self._look()
            looked = clock()
            if isinstance(seen, Running):
                began = began or looked
            elif isinstance(seen, Finished):
                measured = round((looked - (began or looked)) * 1000)
                return Finished(seen.file, seen.gpu_ms if seen.gpu_ms is not None else measured)
            elif isinstance(seen, Lost):
                raise Passing(
                    "vanished", f"{self.backend.name} no longer knows the job; it may have restarted"
                )

    async def _look(self) -> Seen:
        """Where the job stands. A job that the backend forgot may have left its file: the name is this
        image's alone."""
        seen = await self._patiently(lambda: self.backend.look(self.job.remote_id, self.bound.output))
        if isinstance(seen, Lost):
            file = File(f"{self.job.name}_00001_.png", self.job.subfolder)
            if await self._patiently(lambda: self.backend.find(file)):
                return Finished(file)
        return seen

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Asks until there is an answer. Where another backend could do the work instead, patience ends."""
        clock = asyncio.get_running_loop().time
        since = clock()
        while True:
            try:
                return await ask()
            except Unreachable as trouble:
                self._note(trouble)
                if clock() - since >= self.limits.patience and self.fleet.elsewhere(self.backend.name):
                    raise
            await asyncio.sleep(self.limits.rest)

    def _note(self, trouble: Unreachable) -> None:
        if not isinstance(trouble, Broke):
            self.fleet.failed(self.backend.name, trouble.detail)
