"""Backends that outlive every process: they run what they are sent, and count each render that was paid."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from services.renderer.domain.remote import File, Finished, Image, Lost, Remote, Seen
from services.renderer.domain.troubles import Hopeless, Passing, Trouble, Unreachable
from services.renderer.domain.workflows import Graph
from tests.chaos.model.life import Life


class State(StrEnum):
    SENT = "sent"
    DONE = "done"
    OUT_OF_MEMORY = "out of memory"
    INVALID = "invalid"
    STOPPED = "stopped"


@dataclass
class RemoteJob:
    remote: Remote
    state: State = State.SENT


def place(file: File) -> str:
    """One image in one round and one try."""
    return f"{file.subfolder}/{file.filename}"


@dataclass
class Machine:
    """What one backend knows, and what lies on its disk."""

    name: str
    jobs: dict[str, RemoteJob] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    #: Jobs accepted, by image, round and try; and what excuses another one: a restart that forgot the job, a
    #: call about it that did not arrive.
    paid: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    #: Submits to come whose answer is lost, and calls that do not arrive.
    answers_lost: int = 0
    calls_lost: int = 0

    async def end(self, key: str, state: State) -> None:
        job = self.jobs[key]
        job.state = state
        if state is State.DONE:
            self.files[place(job.remote.file)] = f"image {key}".encode()
        await self._tell()

    async def restart(self) -> None:
        """Queue and history are gone; files stay."""
        for job in self.jobs.values():
            self.excused[place(job.remote.file)] += job.state is not State.DONE
        self.jobs.clear()
        await self._tell()

    def open(self) -> list[str]:
        return [key for key, job in self.jobs.items() if job.state is State.SENT]

    def arrive(self, file: File) -> None:
        if self.calls_lost:
            self.calls_lost -= 1
            self.excused[place(file)] += 1
            raise Unreachable(f"{self.name} does not answer")

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


@dataclass
class Pod:
    """Implements `Renderer` for one process."""

    machine: Machine
    life: Life
    embeddings: frozenset[str] = frozenset()
    load: int = 0
    ahead: int = 0

    @property
    def name(self) -> str:
        return self.machine.name

    @contextmanager
    def watching(self, remote: Remote, poll: float) -> Iterator["Pod"]:
        yield self

    async def submit(self, remote: Remote, graph: Graph) -> str:
        await self.life.cross(outside=True)
        self.machine.arrive(remote.file)
        self.machine.jobs[remote.key] = RemoteJob(remote)
        self.machine.paid[place(remote.file)] += 1
        await self.life.cross(outside=True)
        if self.machine.answers_lost:
            self.machine.answers_lost -= 1
            raise Unreachable(f"{self.name} took the job, and its answer was lost")
        return remote.key

    async def locate(self, remote: Remote) -> str | None:
        await self.life.cross(outside=True)
        self.machine.arrive(remote.file)
        return None if isinstance(self._seen(remote), Lost) else remote.key

    async def news(self, remote: Remote) -> Seen:
        await self.life.cross(outside=True)
        self.machine.arrive(remote.file)
        async with self.machine.changed:
            while (seen := self._seen(remote)) is None:
                async with self.life.standing_still():
                    await self.machine.changed.wait()
        await self.life.cross(outside=True)
        if isinstance(seen, Trouble):
            raise seen
        return seen

    async def fetch(self, image: Image) -> bytes:
        await self.life.cross(outside=True)
        assert isinstance(image, File)
        self.machine.arrive(image)
        return self.machine.files[place(image)]

    async def cancel(self, remote: Remote) -> None:
        await self.life.cross(outside=True)
        self.machine.arrive(remote.file)
        job = self.machine.jobs.get(remote.key)
        if job is not None and job.state is State.SENT:
            await self.machine.end(remote.key, State.STOPPED)

    def _seen(self, remote: Remote) -> Seen | Trouble | None:
        """None while there is nothing to say."""
        job = self.machine.jobs.get(remote.key)
        if job is None or job.state is State.DONE:
            there = place(remote.file) in self.machine.files
            return Finished(remote.file, gpu_ms=10, queue_ms=1) if there else Lost()
        match job.state:
            case State.SENT:
                return None
            case State.INVALID:
                return Hopeless("invalid_input", "the graph is not valid")
            case State.STOPPED:
                return Passing("interrupted", "the job was stopped")
        return Passing("out_of_memory", "the GPU ran out of memory")
