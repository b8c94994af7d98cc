"""`python -m tests.services.uploader.frozen URL DATABASE BLOBS END`: one round of a mirror's writer. It says
when it is about to write first, and does so once a line comes in; `END` is `dies` where it dies then."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from services.uploader.mirror import Mirror
from tests.services.uploader.stage import Replica, Stage, replica


class Late:
    """Index files in storage that this process reaches late."""

    def __init__(self, process: Replica, dies: bool) -> None:
        self._process = process
        self._dies = dies
        self._is_first = True

    async def write(self, folder: str, next_index: int) -> None:
        if self._is_first:
            self._is_first = False
            sys.stdout.write("about to write\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.readline)
        await self._process.shelf.write(folder, next_index)
        if self._dies:
            os.kill(os.getpid(), signal.SIGKILL)

    async def read(self, folders: list[str]) -> dict[str, int]:
        return dict(await self._process.shelf.read(folders))


async def main(url: str, database: str, blobs: str, end: str) -> None:
    async with replica(Stage(url, Path(blobs), database)) as process:
        await Mirror(process.folders, Late(process, end == "dies")).write()  # type: ignore[arg-type]


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
