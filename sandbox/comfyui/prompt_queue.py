"""Accepted prompts in the order in which they will run, and the one that runs."""

import asyncio
import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Graph = dict[str, Any]


class SameNumberSameId(Exception):
    """ComfyUI compares the graphs then, which fails: it answers 500, and has queued the prompt."""


@dataclass(frozen=True)
class Ticket:
    """An accepted prompt."""

    number: float
    prompt_id: str
    graph: Graph
    extra_data: dict[str, Any]
    outputs: tuple[str, ...]

    @property
    def client_id(self) -> str | None:
        told = self.extra_data.get("client_id")
        return told if isinstance(told, str) else None

    @property
    def pnginfo(self) -> dict[str, Any]:
        """What goes into the files beside the graph."""
        told = self.extra_data.get("extra_pnginfo")
        return told if isinstance(told, dict) else {}

    def shown(self) -> list[Any]:
        """As `/queue` and `/history` show it."""
        return [self.number, self.prompt_id, self.graph, self.extra_data, list(self.outputs)]


@dataclass(order=True)
class _Entry:
    number: float
    prompt_id: str
    arrival: int
    ticket: Ticket = field(compare=False)


class PromptQueue:
    """A heap by number. `on_change` hears of every prompt that comes, starts or ends."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.running: Ticket | None = None
        self._heap: list[_Entry] = []
        self._arrivals = 0
        self._filled = asyncio.Event()
        self._on_change = on_change

    def __len__(self) -> int:
        """Prompts that wait or run."""
        return len(self._heap) + (self.running is not None)

    def put(self, ticket: Ticket) -> None:
        twin = any((e.number, e.prompt_id) == (ticket.number, ticket.prompt_id) for e in self._heap)
        self._arrivals += 1
        heapq.heappush(self._heap, _Entry(ticket.number, ticket.prompt_id, self._arrivals, ticket))
        self._filled.set()
        if twin:
            raise SameNumberSameId(ticket.prompt_id)
        self._on_change()

    async def take(self) -> Ticket:
        """The next prompt to run, which is then `running` until `finish`."""
        while not self._heap:
            self._filled.clear()
            await self._filled.wait()
        self.running = heapq.heappop(self._heap).ticket
        self._on_change()
        return self.running

    def finish(self) -> None:
        self.running = None
        self._on_change()

    def pending(self) -> list[Ticket]:
        """In heap order, as the real server lists them: not the order in which they will run."""
        return [entry.ticket for entry in self._heap]

    def delete(self, ids: Iterable[str]) -> int:
        """Forget waiting prompts without a trace; the number of prompts forgotten."""
        unwanted = set(ids)
        kept = [entry for entry in self._heap if entry.ticket.prompt_id not in unwanted]
        gone = len(self._heap) - len(kept)
        heapq.heapify(kept)
        self._heap = kept
        if gone:
            self._on_change()
        return gone

    def clear(self) -> int:
        return self.delete([ticket.prompt_id for ticket in self.pending()])
