"""`python -m tests.services.renderer.doomed STEP FOLDER URL [RUNPOD_API_URL [RENDERER_PUBLIC_URL]]`: a
renderer that takes a batch of three and is killed by SIGKILL the first time it comes to STEP."""

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
from services.renderer.adapters.receipts import SqlReceipts
from services.renderer.adapters.runpod.endpoint import Endpoint
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
    "before-run": (Endpoint, "submit", True),
    "after-run": (Endpoint, "submit", False),
    "after-note": (SqlReceipts, "note", False),
}


def dying(call: Callable[..., Any], before: bool) -> Callable[..., Any]:
    async def call_and_die(*arguments: Any) -> Any:
        if not before:
            await call(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    return call_and_die


async def killed(step: str, *words: str | Path) -> None:
    """Returns when such a renderer has lived and died."""
    doomed = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.services.renderer.doomed", step, *map(str, words)
    )
    async with asyncio.timeout(30):
        assert await doomed.wait() == -signal.SIGKILL


async def main(step: str, folder: Path, url: str, api_url: str = "", public_url: str = "") -> None:
    kind, name, before = STEPS[step]
    setattr(kind, name, dying(getattr(kind, name), before))
    bus = MemoryBus()
    serverless: dict[str, Any] = {"runpod_api_url": api_url, "runpod_api_key": "rpa_SANDBOX"}
    made = settings(folder, [url], renderer_public_url=public_url or None, **serverless if api_url else {})
    async with renderer(made, bus, owner="doomed"):
        await bus.publish(reserved(quantity=3))
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
