"""What a stand-in counted, for tests and the demo to check against: nothing rendered twice, nothing lost."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Stats:
    """Counts since the stand-in was made; they survive its restarts."""

    accepted: int = 0
    #: Prompts that began to run, whatever came of them.
    executed: int = 0
    #: Runs that came to their end and had a node to run, by filename_prefix; a full cache hit has none.
    executions: Counter[str] = field(default_factory=Counter)
    #: Most prompts that waited or ran at one moment.
    max_queued: int = 0
    interrupts: int = 0
    cancelled: int = 0
    restarts: int = 0

    def queued(self, count: int) -> None:
        self.max_queued = max(self.max_queued, count)

    def shown(self) -> dict[str, Any]:
        return {**vars(self), "executions": dict(self.executions)}
