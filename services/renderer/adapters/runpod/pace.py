"""How often an endpoint may be asked, and when a job is worth a look. Pure: the time is told.

RunPod counts requests per endpoint and kind in windows of 10 s: 1,000 `/run`, 2,000 `/status`, 100 `/cancel`
(its documentation, August 2026). Each process takes half of that at most, since others may ask too; whatever
is refused halves its rate, which then recovers in steps.
"""

from services.renderer.domain.remote import Running, Seen

#: Requests a second.
RUNS = 50.0
STATUSES = 100.0
CANCELS = 5.0
#: Part of a rate that answers win back, each.
RECOVERY = 0.01
#: Seconds of the rest after a refusal that names none, and of the longest one.
REST, LONGEST_REST = 1.0, 60.0
#: Part of the usual duration after which a running job may be done.
RIPE = 0.9
#: Seconds between two looks at a job that is expected to take much longer.
LONGEST = 30.0


class Rate:
    """Even steps: a request may begin at each."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._now = most
        self._next = 0.0
        self._refusals = 0

    @property
    def per_second(self) -> float:
        return self._now

    def step(self, now: float) -> float:
        """Seconds to wait for the next step, which is taken."""
        begin = max(now, self._next)
        self._next = begin + 1 / self._now
        return begin - now

    def refused(self, now: float, seconds: float | None) -> None:
        """Too many requests; the answer asks for a rest of so many seconds, or of none in particular."""
        self._refusals += 1
        rest = seconds if seconds is not None else REST * 2 ** (self._refusals - 1)
        self._now = max(self._most / 100, self._now / 2)
        self._next = max(self._next, now + min(LONGEST_REST, rest))

    def answered(self) -> None:
        self._refusals = 0
        self._now = min(self._most, self._now + self._most * RECOVERY)


def next_look(seen: Seen, now: float, began: float | None, usual: float | None, pace: float) -> float:
    """When the job is worth another look: `began` is when it began to run, `usual` the seconds that such a
    job takes, `pace` the seconds between two looks at any job that the number of jobs allows."""
    if not isinstance(seen, Running) or began is None or usual is None:
        return now + pace
    return max(now + pace, min(began + usual * RIPE, now + LONGEST))


def pace(jobs: int, per_second: float, least: float) -> float:
    """Seconds between two looks at a job where so many are to be looked at."""
    return max(least, jobs / per_second)
