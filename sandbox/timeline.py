"""When each piece of work was accepted, began and ended, for whoever measures how well backends are used."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass
class Entry:
    """Times are epoch seconds; a piece of work may run more than once, or never."""

    id: str
    labels: tuple[str, ...]
    accepted_at: float
    runs: list[list[float]] = field(default_factory=list)


class Timeline:
    """Grows with the work and survives restarts; a repeated id is a new entry."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._last: dict[str, Entry] = {}
        #: Whose run is under way; the same id may be accepted again meanwhile.
        self._running: dict[str, Entry] = {}

    def accepted(self, work_id: str, labels: Iterable[str]) -> None:
        entry = self._last[work_id] = Entry(work_id, tuple(labels), time())
        self._entries.append(entry)

    def started(self, work_id: str) -> None:
        entry = self._running[work_id] = self._last[work_id]
        entry.runs.append([time()])

    def ended(self, work_id: str) -> None:
        """Of the run under way; what never ended has a start alone."""
        self._running.pop(work_id).runs[-1].append(time())

    def clear(self) -> None:
        """Forget what has ended, so that the next measurement begins at nothing."""
        self._entries = [each for each in self._entries if not each.runs or len(each.runs[-1]) == 1]

    def shown(self) -> dict[str, Any]:
        ends = [run[1] for entry in self._entries for run in entry.runs if len(run) > 1]
        return {
            "first_accepted_at": min((entry.accepted_at for entry in self._entries), default=None),
            "last_ended_at": max(ends, default=None),
            "entries": [vars(entry) for entry in self._entries],
        }


def timeline_routes(timeline: Timeline, path: str = "/sandbox/timeline") -> list[Route]:
    async def show(_request: Request) -> Response:
        return JSONResponse(timeline.shown())

    async def clear(_request: Request) -> Response:
        timeline.clear()
        return Response(status_code=204)

    return [Route(path, show, methods=["GET"]), Route(path, clear, methods=["DELETE"])]
