"""A subscription's rest while a neighbour is down: longer with every outage in a row, then one delivery
at a time until one succeeds."""

import asyncio
import random

from messaging.policy import pause

#: A rest is this much shorter or longer than planned, so that replicas don't come back all at once.
JITTER = 0.25


class Rest:
    """Belongs to one subscription of one process."""

    def __init__(self, prefetch: int) -> None:
        self._prefetch = prefetch
        self._outages = 0
        self._until = 0.0

    def outage(self) -> None:
        """Several deliveries that meet the same outage prolong the rest once."""
        now = asyncio.get_running_loop().time()
        if now >= self._until:
            self._outages += 1
            # Chance spreads replicas, and guards nothing.
            self._until = now + pause(self._outages) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311

    def success(self) -> bool:
        """Whether that changes anything."""
        changed, self._outages = self._outages > 0, 0
        return changed

    @property
    def width(self) -> int:
        """Deliveries that may be handled at once."""
        return 1 if self._outages else self._prefetch

    @property
    def seconds(self) -> float:
        """Seconds of rest that are left."""
        return max(0.0, self._until - asyncio.get_running_loop().time())
