"""How often an endpoint may be asked within any ten seconds, and how many calls may be open at once."""

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.runpod.settings import Settings


class Limits:
    """Of one endpoint. What has no limit in the settings is never refused."""

    def __init__(self, settings: Settings) -> None:
        self._limits, self._window = settings.limits, settings.limit_window_seconds
        self._open: defaultdict[str, int] = defaultdict(int)
        self._admitted: defaultdict[str, deque[float]] = defaultdict(deque)

    @contextmanager
    def open(self, asked: str) -> Iterator[None]:
        """The call counts as open while the block lasts."""
        self._open[asked] += 1
        try:
            yield
        finally:
            self._open[asked] -= 1

    def admits(self, asked: str) -> bool:
        """Whether there is room for this open call; a refused one counts for nothing."""
        limit = self._limits.get(asked)
        if limit is None:
            return True
        if limit.concurrent is not None and self._open[asked] > limit.concurrent:
            return False
        admitted, now = self._admitted[asked], time.monotonic()
        while admitted and admitted[0] <= now - self._window:
            admitted.popleft()
        if len(admitted) >= limit.calls:
            return False
        admitted.append(now)
        return True
