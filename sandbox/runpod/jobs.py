"""Jobs: what was asked, under which policy, and how /status words it."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sandbox.faults import subject_of
from sandbox.rules import Subject
from sandbox.runpod.settings import Settings

_LONGEST_SECONDS = 7 * 24 * 3600


class BadCall(Exception):
    """400, with this text."""


class State(StrEnum):
    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def is_final(self) -> bool:
        return self not in (State.IN_QUEUE, State.IN_PROGRESS)


@dataclass(frozen=True)
class Policy:
    execution_seconds: float = 600.0
    #: From submission, whatever has become of the job by then.
    ttl_seconds: float = 24 * 3600.0


@dataclass(frozen=True)
class Submission:
    """What the client sent, read and found good."""

    input: Any
    policy: Policy
    webhook: str | None

    @property
    def subject(self) -> Subject:
        return subject_of_input(self.input)

    @property
    def own_texts(self) -> tuple[str, ...]:
        """What the client put beside the workflow, which the worker ignores: its own key for the job."""
        told = self.input if isinstance(self.input, dict) else {}
        return tuple(value for name, value in told.items() if isinstance(value, str) and name != "workflow")


@dataclass(eq=False)
class Job:
    """One job; times are epoch seconds."""

    id: str
    submission: Submission
    #: Base URL under which the client knows the stand-in, for presigned URLs.
    origin: str
    kept_seconds: float
    submitted_at: float
    state: State = State.IN_QUEUE
    worker: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    error: str | None = None
    has_output: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    #: Its ttl while it is unfinished, its retention afterwards.
    timer: asyncio.TimerHandle | None = None

    @property
    def subject(self) -> Subject:
        return self.submission.subject

    def begin_again(self) -> None:
        """As it was when it was submitted."""
        self.state, self.error, self.has_output = State.IN_QUEUE, None, False
        self.worker = self.started_at = self.ended_at = None
        self.ended.clear()

    def shown(self) -> dict[str, Any]:
        """As /status has it, but for the output."""
        told: dict[str, Any] = {"id": self.id, "status": self.state.value}
        if self.started_at is not None:
            told["delayTime"] = _milliseconds(self.started_at - self.submitted_at)
            told["workerId"] = self.worker
            if self.ended_at is not None:
                told["executionTime"] = _milliseconds(self.ended_at - self.started_at)
        if self.state is State.IN_PROGRESS:
            told["input"] = self.submission.input
        if self.error is not None:
            told["error"] = self.error
        return told


def submission_of(body: Any, settings: Settings) -> Submission:
    """Raises BadCall."""
    if not isinstance(body, dict) or "input" not in body:
        raise BadCall("the body must be a JSON object with an input")
    webhook = body.get("webhook")
    if webhook is not None and not isinstance(webhook, str):
        raise BadCall("webhook must be a URL")
    policy = body.get("policy")
    return Submission(body["input"], _policy({} if policy is None else policy, settings), webhook or None)


def subject_of_input(told: Any, route: str = "", method: str = "", submits: bool = False) -> Subject:
    """Rules see the workflow, and as texts also what stands beside it."""
    graph = told.get("workflow") if isinstance(told, dict) else None
    seen = subject_of(graph, route, method, submits)
    beside = [value for value in told.values() if isinstance(value, str)] if isinstance(told, dict) else []
    return Subject(route, method, seen.prefixes, (*seen.texts, *beside), submits)


def _policy(told: Any, settings: Settings) -> Policy:
    if not isinstance(told, dict) or not isinstance(told.get("lowPriority", False), bool):
        raise BadCall("policy must be an object with executionTimeout, ttl and lowPriority")
    return Policy(
        _seconds(told, "executionTimeout", Policy.execution_seconds, settings.shortest_execution_seconds),
        _seconds(told, "ttl", Policy.ttl_seconds, settings.shortest_ttl_seconds),
    )


def _seconds(policy: dict[str, Any], name: str, default: float, shortest: float) -> float:
    told = policy.get(name)
    if told is None:
        return default
    if isinstance(told, bool) or not isinstance(told, int | float):
        raise BadCall(f"policy.{name} must be a number of milliseconds")
    if not shortest <= told / 1000 <= _LONGEST_SECONDS:
        raise BadCall(f"policy.{name} must be from {shortest * 1000:g} to {_LONGEST_SECONDS * 1000} ms")
    return told / 1000


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
