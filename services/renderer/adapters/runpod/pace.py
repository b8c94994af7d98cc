"""How often an endpoint may be asked, and when a job is worth a look. Pure: the time is told.

RunPod counts requests per endpoint and kind in windows of 10 s: 1,000 `/run`, 2,000 `/status`, 100 `/cancel`
(its documentation, August 2026). Looks are steady work: all renderers together take three quarters of what
is allowed, each by its part of the jobs. Submits and cancels come in bursts: each process takes half of what
is allowed. Whatever is refused halves the rate, which then recovers in steps.
"""

from services.renderer.domain.remote import Running, Seen

#: Requests a second of one process.
RUNS = 50.0
CANCELS = 5.0
#: Of all processes together.
STATUSES = 150.0
#: Least part of a rate that a process has, with however few jobs.
LEAST = 0.1
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

    def limit(self, most: float) -> None:
        """Another bound; what refusals have made of the rate stays in proportion."""
        self._now *= most / self._most
        self._most = most

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


def own_looks(part: float) -> float:
    """Looks a second of a process that has this part of an endpoint's jobs."""
    return STATUSES * max(LEAST, part)


def next_look(seen: Seen, now: float, began: float | None, usual: float | None, pace: float) -> float:
    """When the job is worth another look: `began` is when it began to run, `usual` the seconds that such a
    job takes, `pace` the seconds between two looks at any job that the number of jobs allows."""
    if not isinstance(seen, Running) or began is None or usual is None:
        return now + pace
    return max(now + pace, min(began + usual * RIPE, now + LONGEST))


def pace(jobs: int, per_second: float, least: float) -> float:
    """Seconds between two looks at a job where so many are to be looked at."""
    return max(least, jobs / per_second)
