"""Takes one claimed row to its end: renders, keeps the bytes, commits how it ended, then has it announced."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from chassis.blobs import Blobs, blob_key
from messaging import tracing
from messaging.errors import Outage, TemporaryError
from services.renderer.domain.equipment import wish_of
from services.renderer.domain.jobs import Job, Picture, cost, failed, ready
from services.renderer.domain.remote import Finished, Remote
from services.renderer.domain.troubles import (
    CANCELLED,
    MISSING,
    Again,
    Hopeless,
    Limits,
    Passing,
    Trouble,
    Unbegun,
    Unreachable,
    follows,
    overdue,
)
from services.renderer.domain.workflows import Bound, Workflow, bind
from services.renderer.ports import Clock, Ending, Endings, Fleet, Receipts, Renderer, Strays
from services.renderer.rendering import metrics
from services.renderer.rendering.about import at_work, told
from services.renderer.rendering.attempt import Attempt
from services.renderer.rendering.progress import Progress

log = structlog.get_logger("renderer")

#: Seconds that a job which somebody else sent may be looked for, however late it is: it may long be done.
LAST_LOOK = 10.0
#: Seconds for telling a backend that a job is not wanted any more.
STOPPING = 10.0


@dataclass(frozen=True)
class Driver:
    endings: Endings
    receipts: Receipts
    strays: Strays
    blobs: Blobs
    fleet: Fleet
    workflows: Mapping[str, Workflow]
    limits: Limits
    clock: Clock
    progress: Progress
    announce: Callable[[Ending], None]
    examine: Callable[[bytes], Awaitable[Picture]]

    async def drive(self, job: Job, cancel: asyncio.Event) -> None:
        with at_work(job, "render"):
            try:
                ending: Ending = await self._image(job, cancel)
            except Trouble as trouble:
                trouble = self._elsewhere(job, trouble)
                decision = follows(trouble, job.backend, job.tries, self.clock(), self.limits)
                if isinstance(decision, Again):
                    log.info("tries again", code=trouble.code, reason=trouble.detail, tries=decision.tries)
                    metrics.RETRIED.labels(trouble.code).inc()
                    tracing.failed(trouble.code)
                    await self._surely(lambda: self.endings.put_back(job, decision))
                    return
                log.info("image failed", code=decision.code, reason=decision.detail)
                tracing.failed(decision.code)
                ending = failed(job.key, job.batch, decision.code, decision.detail)
            await self._finish(job, ending)

    async def _finish(self, job: Job, ending: Ending) -> None:
        if await self._surely(lambda: self.endings.end(job, ending)):
            metrics.ended(ending)
            self.announce(ending)
        else:
            metrics.in_vain(ending)

    async def _image(self, job: Job, cancel: asyncio.Event) -> Ending:
        backend = self.fleet.backend(job.backend)
        if job.cancelled:
            if not job.fresh and not await self._stop(backend, job.remote()):
                await self._leave(job)
            raise _cancelled()
        bound = self._bound(job, backend)
        if job.fresh:
            # Before anything is paid for. What was sent before may be done: then nothing is lacking.
            self.fleet.check(job.backend, wish_of(job.batch.request), bound.graph)
        picture, finished = await self._in_time(job, backend, bound, cancel)
        finished_at, gpu_ms = self.clock(), finished.gpu_ms or 0
        self.fleet.measured(backend.name, gpu_ms)
        metrics.GPU_SECONDS.labels(backend.name).inc(gpu_ms / 1000)
        key = blob_key(*job.key, picture.md5)
        spent = cost(job, finished_at, gpu_ms, finished.queue_ms)
        told(job, spent, finished_at)
        with tracing.span("keep bytes", bytes=len(picture.data)):
            await self._kept(job, key, picture, cancel)
        return ready(job, picture, spent, key, bound.used_embedding)

    def _bound(self, job: Job, backend: Renderer) -> Bound:
        name = job.batch.request.workflow
        if name not in self.workflows:
            known = ", ".join(sorted(self.workflows))
            raise Hopeless("unknown_workflow", f"this renderer has no workflow {name!r}; known: {known}")
        return bind(self.workflows[name], job, backend.embeddings)

    def _elsewhere(self, job: Job, trouble: Trouble) -> Trouble:
        """What this backend lacks, another one may have."""
        if isinstance(trouble, Hopeless) and trouble.code in MISSING:
            return self.fleet.refused(job.backend, wish_of(job.batch.request), trouble)
        return trouble

    async def _in_time(
        self, job: Job, backend: Renderer, bound: Bound, cancel: asyncio.Event
    ) -> tuple[Picture, Finished]:
        """The attempt, unless it is cancelled or a deadline passes first: then its remote job is stopped."""
        attempt = Attempt(
            job, bound, backend, self.fleet, self.receipts, self.limits, self.progress, self.examine
        )
        work = asyncio.ensure_future(attempt.render())
        unwanted = asyncio.ensure_future(cancel.wait())
        try:
            await asyncio.wait({work, unwanted}, timeout=self._left(job), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
        finally:
            for task in (work, unwanted):
                task.cancel()
            await asyncio.gather(work, unwanted, return_exceptions=True)
            self.progress.over(job)
        stopped, why = await self._stop(backend, attempt.remote), self._why_stopped(job, cancel, attempt)
        over = not isinstance(why, Unreachable) or isinstance(why, Unbegun)
        if over and (not stopped or isinstance(why, Passing)):
            await self._leave(replace(job, receipt=attempt.remote.receipt))
        raise why

    def _left(self, job: Job) -> float:
        end = min(job.submitted_at + self.limits.render, job.created_at + self.limits.image)
        return max(end - self.clock(), 0.0 if job.fresh else min(LAST_LOOK, self.limits.render))

    def _why_stopped(self, job: Job, cancel: asyncio.Event, attempt: Attempt) -> Trouble:
        if cancel.is_set():
            return _cancelled()
        if self.clock() >= job.created_at + self.limits.image:
            return overdue(self.limits)
        late = f"not done on {job.backend} within {self.limits.render:g} s"
        if not self.fleet.healthy(job.backend):
            return Unreachable(late)
        # A place in a queue says nothing about the image, so it is not one of its tries.
        return Unbegun(late) if attempt.waits else Passing("render_deadline", late)

    async def _stop(self, backend: Renderer, remote: Remote) -> bool:
        """Whether the backend could be told that the job is not wanted any more."""
        try:
            async with asyncio.timeout(STOPPING):
                await backend.cancel(remote)
        except (Trouble, TimeoutError) as why:
            log.info("remote job not stopped", reason=str(why))
            return False
        return True

    async def _leave(self, job: Job) -> None:
        """The image goes on, or ends, without this job, which may still run: somebody looks after it."""
        await self._surely(lambda: self.strays.leave(job))

    async def _kept(self, job: Job, key: str, picture: Picture, cancel: asyncio.Event) -> None:
        """Holds on to the bytes while the blob store is down; once they are kept, no clock runs."""
        while True:
            try:
                return await self.blobs.put(key, picture.data)
            except Outage as why:
                log.info("waits for the blob store", reason=str(why))
            if cancel.is_set():
                raise _cancelled()
            if self.clock() >= job.created_at + self.limits.image:
                raise overdue(self.limits)
            await asyncio.sleep(self.limits.rest)

    async def _surely(self, write: Callable[[], Awaitable[bool | None]]) -> bool | None:
        """Writes to the job book until it is written; a lost lease ends this task from outside."""
        while True:
            try:
                return await write()
            except (Outage, TemporaryError) as why:
                log.info("waits for the database", reason=str(why))
            await asyncio.sleep(self.limits.rest)


def _cancelled() -> Hopeless:
    return Hopeless(CANCELLED, "cancelled before it was rendered")
