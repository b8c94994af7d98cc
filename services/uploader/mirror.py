"""Keeps every folder's `index.txt` at the number that the folder's next image will have, or little behind."""

import asyncio
from collections.abc import Mapping

import structlog
from prometheus_client import Counter

from messaging.errors import DeliveryError, Outage
from services.uploader.ports import IndexFiles, Mirrors

log = structlog.get_logger("uploader")

#: Seconds that one write may take: less than the folder's lease, so that a late one is known to be late.
WRITE_SECONDS = 15.0
#: Seconds of rest while the database is down.
REST_SECONDS = 5.0

WRITTEN = Counter("darkroom_mirrors_written", "Writes of index.txt by how they ended", ["end"])


class Mirror:
    """Two rounds, each to be repeated for ever; nothing that fails here fails an image."""

    def __init__(self, mirrors: Mirrors, files: IndexFiles) -> None:
        self._mirrors = mirrors
        self._files = files

    async def write(self) -> bool:
        """Writes until no folder is left that says less than is known; whether there was one."""
        try:
            return await self._write_all()
        except Outage:
            await asyncio.sleep(REST_SECONDS)
            raise

    async def _write_all(self) -> bool:
        any_behind = False
        while folders := await self._mirrors.claim():
            any_behind = True
            ended = await asyncio.gather(*(self._write(*folder) for folder in folders.items()))
            if failed := [folder for folder in ended if folder]:
                await self._mirrors.rest(failed)
        return any_behind

    async def verify(self) -> None:
        """Reads back what was written of late; what says less than it must is written again."""
        known = await self._mirrors.to_verify()
        if known and (behind := _behind(known, await self._files.read(list(known)))):
            log.warning("index.txt was set back; it is written again", folders=behind)
            WRITTEN.labels("set back").inc(len(behind))
            await self._mirrors.spoiled(behind)

    async def _write(self, folder: str, next_index: int) -> str | None:
        """The folder again where it could not be written."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._files.write(folder, next_index)
        except (DeliveryError, TimeoutError) as why:
            log.info("index.txt has to wait", folder=folder, next_index=next_index, reason=str(why))
            WRITTEN.labels("failed").inc()
            return folder
        await self._mirrors.written(folder, next_index)
        WRITTEN.labels("written").inc()
        return None


def _behind(known: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    return [folder for folder, next_index in known.items() if found.get(folder, 0) < next_index]
