"""What comes of a job in the hands of a worker, faults included, until its result is posted."""

import asyncio
import json
from base64 import b64decode
from dataclasses import dataclass
from hashlib import md5
from typing import Any

from sandbox.comfyui.rules import Vanish
from sandbox.faults import Faults
from sandbox.runpod.bucket import Bucket
from sandbox.runpod.jobs import Job, State
from sandbox.runpod.rules import FewerImages, JobFails, NoResult, RunsTwice
from sandbox.runpod.settings import Settings
from sandbox.runpod.stats import Stats
from sandbox.runpod.wording import raised
from sandbox.runpod.worker import Worker
from sandbox.timeline import Timeline


@dataclass(frozen=True)
class Outcome:
    """How a job ended, or that it waits again; `output` is JSON."""

    state: State
    error: str | None = None
    output: bytes | None = None


@dataclass(frozen=True)
class Work:
    """Puts jobs into workers' hands, and counts."""

    settings: Settings
    bucket: Bucket
    faults: Faults
    stats: Stats
    timeline: Timeline

    async def outcome(self, job: Job, worker: Worker) -> Outcome | None:
        """None where the job got lost with its result."""
        try:
            async with asyncio.timeout(job.submission.policy.execution_seconds) as limit:
                answer = await self._answer(job, worker)
        except TimeoutError:
            if not limit.expired():
                raise
            return Outcome(State.TIMED_OUT)
        if self.faults.take(Vanish, job.subject, lambda rule: rule.when == "finished"):
            return None
        if self.faults.take(RunsTwice, job.subject):
            return Outcome(State.IN_QUEUE)
        return self._posted(job, answer)

    async def _answer(self, job: Job, worker: Worker) -> dict[str, Any]:
        fails = self.faults.take(JobFails, job.subject)
        if fails is not None:
            return {"error": fails.error or raised(worker.id)}
        return await self._handled(job, worker)

    async def _handled(self, job: Job, worker: Worker) -> dict[str, Any]:
        async def upload(data: bytes, filename: str) -> str:
            return await self.bucket.put(job.origin, job.id, data, filename)

        self.stats.executed += 1
        self.timeline.started(job.id)
        try:
            told = await worker.handle(job.submission.input, upload if self.settings.bucket else None)
        finally:
            self.timeline.ended(job.id)
        if worker.rendered:
            self.stats.executions.update(job.subject.prefixes)
        for image in told.get("images", ()):
            if image["type"] == "base64" and job.subject.prefixes:
                digest = md5(b64decode(image["data"]), usedforsecurity=False).hexdigest()
                self.stats.pictures[digest] = job.subject.prefixes[0]
        return told

    def _posted(self, job: Job, answer: dict[str, Any]) -> Outcome:
        """The SDK takes the error out of what the handler returned; what is left is the output."""
        error = answer.get("error")
        rest = {name: value for name, value in answer.items() if name != "error"}
        if error is None and self.faults.take(FewerImages, job.subject):
            rest["images"] = rest["images"][:-1]
        output = json.dumps(rest).encode()
        if len(output) > self.settings.max_result_bytes or self.faults.take(NoResult, job.subject):
            return Outcome(State.COMPLETED)
        if error is None:
            return Outcome(State.COMPLETED, output=output)
        return Outcome(State.FAILED, error, output if rest and self.settings.keeps_failure_details else None)
