"""One serverless endpoint: its queue, its jobs from submission to the end of their retention, its workers."""

import asyncio
import json
import shutil
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from sandbox.comfyui.rules import Vanish
from sandbox.faults import Faults
from sandbox.runpod.bucket import Bucket
from sandbox.runpod.jobs import Job, State, Submission
from sandbox.runpod.limits import Limits
from sandbox.runpod.pool import Pool
from sandbox.runpod.results import Results
from sandbox.runpod.rules import OddState, Stuck, WebhookNever, WebhookTwice
from sandbox.runpod.settings import Settings
from sandbox.runpod.stats import Stats
from sandbox.runpod.webhooks import Webhooks
from sandbox.runpod.work import Outcome, Work
from sandbox.runpod.worker import Worker
from sandbox.timeline import Timeline


class Endpoint:
    """Works while `open` lasts. A job that waits costs no task: timers and the queue hold it."""

    def __init__(self, name: str, settings: Settings, bucket: Bucket) -> None:
        self.name, self.settings = name, settings
        self.faults, self.stats, self.timeline = Faults(), Stats(), Timeline()
        self.limits = Limits(settings)
        self._disks = settings.files / "workers" / name
        shutil.rmtree(self._disks, ignore_errors=True)
        self._results = Results(settings.files / "results" / name)
        self._webhooks = Webhooks(settings.webhook_gap_seconds)
        self._work = Work(settings, bucket, self.faults, self.stats, self.timeline)
        self._pool = Pool(settings, self._new_worker, self._dispatch)
        self._jobs: dict[str, Job] = {}
        self._unfinished: set[Job] = set()
        self._queue: deque[Job] = deque()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with self._webhooks.open():
            self._pool.open()
            try:
                yield
            finally:
                self._pool.close()
                await self._abandon()

    def find(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def submit(self, submission: Submission, origin: str, kept_seconds: float, prefix: str = "") -> Job:
        job = Job(f"{prefix}{uuid4()}-u1", submission, origin, kept_seconds, time.time())
        self._jobs[job.id] = job
        self.stats.accepted += 1
        self.stats.own_keys.update(submission.own_texts)
        self.timeline.accepted(job.id, (*job.subject.prefixes, *submission.own_texts))
        self._set_timer(job, submission.policy.ttl_seconds)
        self._enqueue(job)
        return job

    def cancel(self, job: Job) -> None:
        """An unfinished job ends, and its worker is free; a finished one stays as it is."""
        if not job.state.is_final:
            self._end(job, Outcome(State.CANCELLED))
            self._let_go(job)

    def retry(self, job: Job) -> bool:
        """Whether the job was one to run again: FAILED or TIMED_OUT. Its ttl begins anew."""
        if job.state not in (State.FAILED, State.TIMED_OUT):
            return False
        self.stats.retried += 1
        job.begin_again()
        self._set_timer(job, job.submission.policy.ttl_seconds)
        self._enqueue(job)
        return True

    def purge(self) -> int:
        """Forgets all that wait; how many there were."""
        waiting = [job for job in self._unfinished if job.state is State.IN_QUEUE]
        for job in waiting:
            self._forget(job)
        return len(waiting)

    def keep_at_most(self, job: Job, seconds: float) -> None:
        """Shortens the retention of a job that has ended."""
        if job.state.is_final and job.timer is not None:
            left = job.timer.when() - asyncio.get_running_loop().time()
            self._set_timer(job, min(left, seconds))

    async def told(self, job: Job) -> bytes:
        """The body of /status, and of the webhook."""
        shown = job.shown()
        odd = self.faults.take(OddState, job.subject)
        if odd is not None:
            shown["status"] = odd.state
        head = json.dumps(shown).encode()
        output = await self._results.get(job.id) if job.has_output else None
        return head if output is None else head[:-1] + b', "output": ' + output + b"}"

    def health(self) -> dict[str, Any]:
        ended = self.stats.ended
        jobs = {
            "completed": ended[State.COMPLETED],
            "failed": ended[State.FAILED],
            "inProgress": sum(job.state is State.IN_PROGRESS for job in self._unfinished),
            "inQueue": sum(job.state is State.IN_QUEUE for job in self._unfinished),
            "retried": self.stats.retried,
        }
        return {"jobs": jobs, "workers": self._pool.shown()}

    def described(self) -> dict[str, Any]:
        return {
            **self.stats.shown(),
            "workers_started": self._pool.started,
            "webhooks": self._webhooks.calls,
            "faults": dict(self.faults.struck),
        }

    def _new_worker(self) -> Worker:
        return Worker(self.settings.comfyui(self._disks), self.faults)

    def _enqueue(self, job: Job) -> None:
        self._unfinished.add(job)
        self.stats.in_flight(len(self._unfinished))
        self._queue.append(job)
        self._dispatch()

    def _dispatch(self) -> None:
        """Jobs that wait to workers that idle; more workers for the jobs that are left."""
        while self._queue and self._pool.has_idle:
            job = self._queue.popleft()
            if not self._goes_astray(job):
                self._begin(job, self._pool.take())
        self._pool.summon(len(self._queue))

    def _goes_astray(self, job: Job) -> bool:
        if self.faults.take(Vanish, job.subject, lambda rule: rule.when == "queued"):
            self._forget(job)
            return True
        stuck = self.faults.take(Stuck, job.subject)
        if stuck is not None and stuck.seconds is not None:
            _later(stuck.seconds, self._release, job)
        return stuck is not None

    def _release(self, job: Job) -> None:
        if job in self._unfinished:
            self._enqueue(job)

    def _begin(self, job: Job, worker: Worker) -> None:
        job.state, job.worker, job.started_at = State.IN_PROGRESS, worker.id, time.time()
        job.task = asyncio.create_task(self._perform(job, worker))
        # Not the task's own last act: a task that is cancelled before its first step does not do that one.
        job.task.add_done_callback(lambda _task: self._pool.give_back(worker))

    async def _perform(self, job: Job, worker: Worker) -> None:
        outcome = await self._work.outcome(job, worker)
        if outcome is None:
            self._forget(job)
        elif not outcome.state.is_final:
            job.begin_again()
            self._enqueue(job)
        else:
            if outcome.output is not None:
                await self._results.put(job.id, outcome.output)
            self._end(job, outcome)

    def _end(self, job: Job, outcome: Outcome) -> None:
        job.state, job.error, job.ended_at = outcome.state, outcome.error, time.time()
        job.has_output = outcome.output is not None
        self._unfinished.discard(job)
        self.stats.ended[outcome.state] += 1
        self._set_timer(job, job.kept_seconds)
        job.ended.set()
        webhook = job.submission.webhook
        if webhook is None or outcome.state is State.CANCELLED or self.faults.take(WebhookNever, job.subject):
            return
        twice = self.faults.take(WebhookTwice, job.subject) is not None
        self._webhooks.tell(webhook, lambda: self.told(job), twice)

    def _set_timer(self, job: Job, seconds: float) -> None:
        """From now on the job is known for so long."""
        if job.timer is not None:
            job.timer.cancel()
        job.timer = _later(seconds, self._expire, job)

    def _expire(self, job: Job) -> None:
        """Its ttl or its retention is over: deleted, even while it runs."""
        self.stats.expired += not job.state.is_final
        self._forget(job)
        self._let_go(job)

    def _forget(self, job: Job) -> None:
        """From now on /status is 404."""
        self._jobs.pop(job.id, None)
        self._unfinished.discard(job)
        if job in self._queue:
            self._queue.remove(job)
        if job.timer is not None:
            job.timer.cancel()
        self._results.delete(job.id)
        job.ended.set()

    def _let_go(self, job: Job) -> None:
        """Neither the queue nor a worker has it any more."""
        if job in self._queue:
            self._queue.remove(job)
        if job.task is not None:
            job.task.cancel()

    async def _abandon(self) -> None:
        for job in self._jobs.values():
            if job.timer is not None:
                job.timer.cancel()
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _later(seconds: float, call: Callable[[Job], None], job: Job) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, call, job)
