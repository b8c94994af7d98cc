"""`python -m tests.services.renderer.doomed STEP FOLDER URL`: a renderer that takes a batch of three and is
killed by SIGKILL the first time it comes to STEP."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chassis.blobs_folder import FolderBlobs
from messaging.memory import MemoryBus
from services.renderer.adapters.comfyui.pod import Pod
from services.renderer.adapters.endings import SqlEndings
from tests.services.renderer.requests import reserved
from tests.services.renderer.stage import renderer, settings

#: Step -> the call that it is at, and whether death comes before the call or after it.
STEPS: dict[str, tuple[type[Any], str, bool]] = {
    "before-submit": (Pod, "submit", True),
    "after-submit": (Pod, "submit", False),
    "after-render": (Pod, "fetch", False),
    "before-blob": (FolderBlobs, "put", True),
    "after-blob": (FolderBlobs, "put", False),
    "before-commit": (SqlEndings, "end", True),
    "after-commit": (SqlEndings, "end", False),
    "before-mark": (SqlEndings, "announced", True),
}


def dying(call: Callable[..., Any], before: bool) -> Callable[..., Any]:
    async def call_and_die(*arguments: Any) -> Any:
        if not before:
            await call(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    return call_and_die


async def main(step: str, folder: Path, url: str) -> None:
    kind, name, before = STEPS[step]
    setattr(kind, name, dying(getattr(kind, name), before))
    bus = MemoryBus()
    async with renderer(settings(folder, [url]), bus, owner="doomed"):
        await bus.publish(reserved(quantity=3))
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
