"""Looks into the event log for everybody who watches a batch: the hints of other processes may be lost."""

from chassis.process import every
from services.gateway.adapters.sql_changes import SqlChanges
from services.gateway.adapters.stage import LiveStage

#: Seconds between two looks, and at most where nobody watches and nothing happens.
LOOK, IDLE = 1.0, 4.0


class LogWatch:
    """One per process, so that a thousand open streams cost one query a second and not a thousand."""

    def __init__(self, log: SqlChanges, stage: LiveStage, seen: int) -> None:
        """`seen`: the log's last change at a moment before anybody watched."""
        self._log = log
        self._stage = stage
        self._seen = seen

    async def run(self) -> None:
        """Looks for ever; what a failed look missed is seen by the next one."""
        await every(LOOK, self._look, "event log", IDLE)

    async def _look(self) -> bool:
        """Whether there is a reason to look again soon."""
        self._seen, grown = await self._log.grown(self._seen)
        for batch_id in grown:
            self._stage.changed(batch_id)
        if grown and self._stage.followed:
            for username in await self._log.owners(grown):
                self._stage.changed_for(username)
        return bool(grown) or self._stage.waiting() > 0
