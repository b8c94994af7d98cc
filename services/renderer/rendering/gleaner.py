"""Looks after jobs that were left behind: stops what still runs, and counts what was rendered in vain."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from chassis.process import every
from services.renderer.domain.jobs import Job
from services.renderer.domain.remote import Finished, Lost, Queued, Remote, Running, Seen
from services.renderer.domain.troubles import Limits, Trouble, Unreachable
from services.renderer.domain.workflows import Workflow
from services.renderer.ports import Clock, Fleet, Renderer, Strays
from services.renderer.rendering.about import at_work
from services.renderer.rendering.metrics import WASTED

log = structlog.get_logger("renderer")

#: Seconds between two rounds, and for one job in a round.
ROUND = 5.0
PATIENCE = 10.0
#: Seconds between two rounds of forgetting.
FORGET = 60.0
#: Seconds between two looks at a job.
POLL = 0.1


@dataclass(frozen=True)
class Gleaner:
    strays: Strays
    fleet: Fleet
    workflows: Mapping[str, Workflow]
    limits: Limits
    clock: Clock

    async def run(self) -> None:
        async with asyncio.TaskGroup() as loops:
            loops.create_task(every(min(ROUND, self.limits.patience), self.glean, "jobs left behind"))
            loops.create_task(every(FORGET, self.forget, "jobs left behind long ago"))

    async def forget(self) -> None:
        """Nobody can be asked any more for what was left so long ago."""
        await self.strays.forget_older(self.clock() - self.limits.image)

    async def glean(self) -> None:
        """One round over the backends that can be asked now."""
        healthy = [name for name in self.fleet.known() if self.fleet.healthy(name)]
        for job in await self.strays.left_at(healthy):
            await self._see_to(job)

    async def _see_to(self, job: Job) -> None:
        with at_work(job, "look after a job left behind", quiet=True):
            await self._settle(job)

    async def _settle(self, job: Job) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                rendered = await self._rendered(self.fleet.backend(job.backend), job)
        except (Unreachable, TimeoutError) as why:
            log.info("job left behind cannot be asked for", reason=str(why))
            return
        if rendered is not None and await self.strays.forget(job.remote_id) and rendered:
            WASTED.labels(job.backend).inc()
            log.warning("image rendered in vain")

    async def _rendered(self, backend: Renderer, job: Job) -> bool | None:
        """Whether the job made its image; None while it cannot be stopped. Raises Unreachable."""
        try:
            seen = await self._stopped(backend, job.remote(self._output(job)))
        except Unreachable:
            raise
        except Trouble:
            return False  # it failed, or was stopped
        if isinstance(seen, Queued | Running):
            return None
        return isinstance(seen, Finished)

    async def _stopped(self, backend: Renderer, remote: Remote) -> Seen:
        """Where it stands after it was stopped. Raises as a look at it does."""
        receipt = await backend.locate(remote)
        if receipt is None:
            return Lost()
        remote = replace(remote, receipt=receipt)
        await backend.cancel(remote)
        with backend.watching(remote, POLL) as watch:
            return await watch.news(remote)

    def _output(self, job: Job) -> str:
        workflow = self.workflows.get(job.batch.request.workflow)
        return workflow.output if workflow else ""
