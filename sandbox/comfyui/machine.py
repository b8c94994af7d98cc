"""One ComfyUI server: what it keeps in memory, its one worker, and what a restart takes away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sandbox.comfyui.events import Sockets
from sandbox.comfyui.execution import Cache, Execution
from sandbox.comfyui.files import Files
from sandbox.comfyui.history import Ended, History
from sandbox.comfyui.node_inputs import Shelf
from sandbox.comfyui.prompt_queue import PromptQueue, Ticket
from sandbox.comfyui.rules import Restart, Vanish
from sandbox.comfyui.settings import Settings
from sandbox.comfyui.stats import Stats
from sandbox.faults import Faults, subject_of
from sandbox.rules import Subject
from sandbox.timeline import Timeline


class Memory:
    """What is lost when the server restarts."""

    def __init__(self, on_change: "OnChange") -> None:
        self.queue = PromptQueue(on_change)
        self.history = History()
        self.cache = Cache()
        self.execution: Execution | None = None
        self._number = 0

    def next_number(self) -> int:
        self._number += 1
        return self._number - 1


@dataclass(frozen=True)
class OnChange:
    """Tells sockets and statistics that the queue is another one now."""

    machine: "Machine"

    def __call__(self) -> None:
        self.machine.stats.queued(len(self.machine.memory.queue))
        self.machine.sockets.send_status()


class Machine:
    """Holds everything that the routes need. Its worker runs inside `working`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.shelf = Shelf(settings, Files(settings.files))
        self.faults = Faults()
        self.stats, self.timeline = Stats(), Timeline()
        self.memory = Memory(OnChange(self))
        self.sockets = Sockets(lambda: len(self.memory.queue), self._running_node)
        self._worker: asyncio.Task[None] | None = None
        self._restarting: set[asyncio.Task[None]] = set()
        self._one_restart = asyncio.Lock()
        self._up = asyncio.Event()

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        self._start()
        try:
            yield
        finally:
            for task in [*self._restarting]:
                task.cancel()
            await asyncio.gather(*self._restarting, return_exceptions=True)
            await self._stop()

    async def restart(self, down_seconds: float = 0.0) -> None:
        """Queue, running prompt, history, cache and sockets are gone; files stay."""
        async with self._one_restart:
            self.stats.restarts += 1
            self._up.clear()
            self.sockets.drop_all()
            await self._stop()
            self.memory = Memory(OnChange(self))
            await asyncio.sleep(down_seconds)
            self._start()

    def interrupt(self, prompt_id: str | None = None) -> bool:
        """End the running prompt if it is that one, or whichever runs for None; whether one was told to."""
        execution = self.memory.execution
        if execution is None or prompt_id not in (None, execution.ticket.prompt_id):
            return False
        execution.interrupt()
        self.stats.interrupts += 1
        return True

    def cancel(self, prompt_id: str) -> bool:
        gone = self.memory.queue.delete([prompt_id]) > 0 or self.interrupt(prompt_id)
        self.stats.cancelled += gone
        return gone

    def subject(self, prompt_id: str, route: str, method: str) -> Subject:
        """What rules see of a call about this prompt."""
        ended = self.memory.history.get(prompt_id)
        tickets = [*self.memory.queue.pending(), self.memory.queue.running, ended and ended.ticket]
        graphs = (ticket.graph for ticket in tickets if ticket and ticket.prompt_id == prompt_id)
        return subject_of(next(graphs, None), route, method)

    def _start(self) -> None:
        self._worker = asyncio.create_task(self._work(), name="a ComfyUI stand-in's worker")
        self._up.set()

    async def _stop(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
            with suppress(asyncio.CancelledError):
                await self._worker

    async def _work(self) -> None:
        memory = self.memory
        while True:
            ticket = await memory.queue.take()
            subject = subject_of(ticket.graph)
            vanishes = self.faults.take(Vanish, subject, lambda rule: rule.when == "queued")
            if not vanishes:
                await self._perform(memory, ticket, subject)
            memory.queue.finish()
            if ticket.client_id is not None and not vanishes:
                last = {"node": None, "prompt_id": ticket.prompt_id}
                self.sockets.send("executing", last, ticket.client_id)

    async def _perform(self, memory: Memory, ticket: Ticket, subject: Subject) -> None:
        execution = Execution(ticket, self.shelf, memory.cache, self.sockets, self.faults)
        memory.execution = execution
        self.stats.executed += 1
        self.timeline.started(ticket.prompt_id)
        await self._perhaps_restart(subject)
        await execution.run()
        self.timeline.ended(ticket.prompt_id)
        memory.execution = None
        if execution.rendered:
            self.stats.executions.update(subject.prefixes)
        await asyncio.sleep(self.settings.history_lag)
        if not self.faults.take(Vanish, subject, lambda rule: rule.when == "finished"):
            memory.history.put(Ended(ticket, execution.outputs, tuple(execution.messages)))

    async def _perhaps_restart(self, subject: Subject) -> None:
        rule = self.faults.take(Restart, subject)
        if rule is not None:
            task = asyncio.create_task(self.restart(rule.down_seconds))
            self._restarting.add(task)
            task.add_done_callback(self._restarting.discard)
            await asyncio.Event().wait()  # until the restart cancels this worker

    def _running_node(self, client_id: str) -> str | None:
        execution = self.memory.execution
        mine = execution is not None and execution.ticket.client_id == client_id
        return execution.node if execution is not None and mine else None

    def describe(self) -> dict[str, Any]:
        return {**self.stats.shown(), "faults": dict(self.faults.struck)}
