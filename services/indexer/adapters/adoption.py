"""Folders seen for the first time: what storage holds there is asked once, numbering goes on behind it."""

import structlog
from prometheus_client import Counter

from chassis.gathering import Shared
from messaging.errors import Later, Outage
from services.indexer.domain import first_free
from services.indexer.ports import Counters, Shelf

log = structlog.get_logger("indexer")

ADOPTED = Counter("darkroom_folders_adopted", "Folders seen for the first time")

#: Seconds after which a batch asks again, where storage could not be asked.
ASK_AGAIN = 5.0


class AdoptingFolders:
    """Opens folders; however many callers wait for one folder, storage is asked once."""

    def __init__(self, counters: Counters, shelf: Shelf) -> None:
        self._counters = counters
        self._shelf = shelf
        self._opening = Shared(self._open)

    async def aclose(self) -> None:
        await self._opening.aclose()

    async def open(self, folder: str) -> int:
        return await self._opening(folder)

    async def _open(self, folder: str) -> int:
        known = await self._counters.next_index(folder)
        if known is not None:
            return known
        try:
            contents = await self._shelf.look(folder)
        except Outage as why:
            # Later, not Outage: batches of folders that are known need no storage and must go on.
            raise Later(f"storage can't say what {folder} holds: {why}", ASK_AGAIN) from why
        next_index = await self._counters.adopt(folder, first_free(contents))
        log.info("folder adopted", folder=folder, next_index=next_index, found=contents.highest)
        ADOPTED.inc()
        return next_index
