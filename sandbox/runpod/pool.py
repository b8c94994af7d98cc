"""The workers of an endpoint: started for jobs that wait, gone when they have idled long enough."""

import asyncio
from collections import deque
from collections.abc import Callable

from sandbox.runpod.settings import Settings
from sandbox.runpod.worker import Worker


class Pool:
    """At least `min_workers`, at most `max_workers`; a new one takes `cold_start_seconds` to come."""

    def __init__(self, settings: Settings, make: Callable[[], Worker], on_idle: Callable[[], None]) -> None:
        """`on_idle` is called whenever a worker has become free."""
        self._settings, self._make, self._on_idle = settings, make, on_idle
        self._idle: dict[Worker, asyncio.TimerHandle | None] = {}
        self._running: set[Worker] = set()
        #: All take equally long, so they come in the order in which they were started.
        self._coming: deque[asyncio.TimerHandle] = deque()
        self._open = False
        self.started = 0

    def open(self) -> None:
        self._open = True
        for _ in range(min(self._settings.min_workers, self._settings.max_workers)):
            self.started += 1
            self.give_back(self._make())

    def close(self) -> None:
        self._open = False
        for timer in [*self._coming, *self._idle.values()]:
            if timer is not None:
                timer.cancel()
        self._coming.clear()
        self._idle.clear()

    def shown(self) -> dict[str, int]:
        """As /health has them; those that are still coming are in neither number."""
        return {"idle": len(self._idle), "running": len(self._running)}

    @property
    def has_idle(self) -> bool:
        return bool(self._idle)

    def take(self) -> Worker:
        """An idle worker, the one that has idled for the shortest time. Raises KeyError where none is."""
        worker, timer = self._idle.popitem()
        if timer is not None:
            timer.cancel()
        self._running.add(worker)
        return worker

    def give_back(self, worker: Worker) -> None:
        """It is free for the next job."""
        self._running.discard(worker)
        if not self._open:
            return
        self._idle[worker] = None
        self._on_idle()
        if worker in self._idle:
            self._idle[worker] = _later(self._settings.idle_seconds, self._perhaps_leave, worker)

    def summon(self, waiting: int) -> None:
        """Starts as many workers as the waiting jobs call for and the endpoint may have."""
        room = self._settings.max_workers - len(self._idle) - len(self._running) - len(self._coming)
        for _ in range(min(room, waiting - len(self._coming))):
            self.started += 1
            self._coming.append(_later(self._settings.cold_start_seconds, self._arrive))

    def _arrive(self) -> None:
        self._coming.popleft()
        self.give_back(self._make())

    def _perhaps_leave(self, worker: Worker) -> None:
        if len(self._idle) + len(self._running) > self._settings.min_workers:
            del self._idle[worker]
            worker.leave()
        else:
            self._idle[worker] = None


def _later(seconds: float, call: Callable[..., None], *args: object) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, call, *args)
