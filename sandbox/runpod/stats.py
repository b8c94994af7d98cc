"""What an endpoint counted, for tests and benchmarks to check against."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Stats:
    """Counts since the stand-in was made."""

    accepted: int = 0
    #: Jobs that a worker began, whatever came of them; more than once where a job ran twice.
    executed: int = 0
    #: Runs that came to their end and had a node to run, by filename_prefix.
    executions: Counter[str] = field(default_factory=Counter)
    #: MD5 of each base64 picture -> its filename_prefix: the pictures themselves don't say what they are.
    pictures: dict[str, str] = field(default_factory=dict)
    #: Accepted jobs by each text that stood beside the workflow: the client's own keys.
    own_keys: Counter[str] = field(default_factory=Counter)
    #: Jobs by the final state they came to.
    ended: Counter[str] = field(default_factory=Counter)
    #: Unfinished jobs that their ttl deleted.
    expired: int = 0
    retried: int = 0
    #: Most jobs that waited or ran at one moment.
    max_in_flight: int = 0
    #: API calls by what they asked for, and those of them that met 429 for a limit.
    calls: Counter[str] = field(default_factory=Counter)
    limited: Counter[str] = field(default_factory=Counter)

    def in_flight(self, count: int) -> None:
        self.max_in_flight = max(self.max_in_flight, count)

    def shown(self) -> dict[str, Any]:
        return {
            name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()
        }
