"""A renderer at work: its loops and handlers on a memory bus, and everything that it says."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chassis.process import Service
from contracts.events import ImageFailed, ImageReady
from contracts.message import Message
from contracts.transient import RenderProgress
from messaging.bus import Subscription
from messaging.memory import MemoryBus
from services.renderer.app import open_renderer
from services.renderer.settings import Settings
from tests.services.renderer.requests import reserved

WORKFLOWS = Path(__file__).parents[3] / "workflows"
#: Seconds that a test waits for what must happen.
PATIENCE = 60.0


@dataclass
class Stage:
    """What the rest of the system would hear."""

    bus: MemoryBus
    ready: list[ImageReady] = field(default_factory=list)
    failed: list[ImageFailed] = field(default_factory=list)
    progress: list[RenderProgress] = field(default_factory=list)
    service: Service | None = None

    async def hear(self, message: Message) -> Sequence[Message]:
        if isinstance(message, ImageReady):
            self.ready.append(message)
        elif isinstance(message, ImageFailed):
            self.failed.append(message)
        elif isinstance(message, RenderProgress):
            self.progress.append(message)
        return ()

    def ends(self) -> dict[tuple[int, int], str]:
        """(ordinal, round) -> `done`, or the code of the failure."""
        done = {(each.ordinal, each.round): "done" for each in self.ready}
        return done | {(each.ordinal, each.round): each.code for each in self.failed}

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - many things make it true
                await asyncio.sleep(0.01)

    async def answered(self) -> None:
        """Returns when every backend has."""
        assert self.service is not None
        backends = self.service.backends
        await self.until(lambda: all(each.healthy for each in backends()))

    async def ended(self, count: int) -> None:
        """Returns when so many images have ended."""
        await self.until(lambda: len(self.ends()) >= count)


def settings(folder: Path, urls: Sequence[str], **changes: Any) -> Settings:
    """Quick ones: everything that is waited for in seconds takes a fraction of one."""
    asked = {
        "bus_url": "memory:",
        "database_url": f"sqlite+aiosqlite:///{folder}/renderer.db",
        "blobs_url": f"file:{folder}/blobs",
        "renderer_urls": ",".join(urls),
        "workflows_dir": WORKFLOWS,
        "lease_seconds": 1.0,
        "retry_seconds": 0.05,
        "poll_seconds": 0.1,
        "patience_seconds": 0.5,
    }
    return Settings(**{**asked, **changes})


@asynccontextmanager
async def listening(bus: MemoryBus) -> AsyncIterator[Stage]:
    """In the place of the uploader and a gateway."""
    stage = Stage(bus)
    heard: list[Subscription[Any]] = [
        Subscription("uploader", ImageReady, stage.hear),
        Subscription("uploader", ImageFailed, stage.hear),
        Subscription("gateway", RenderProgress, stage.hear),
    ]
    async with bus.consuming(heard):
        yield stage


@asynccontextmanager
async def working(service: Service, bus: MemoryBus) -> AsyncIterator[None]:
    """Its loops run and its messages flow; at the end it stops as a process does."""
    loops = [asyncio.ensure_future(loop()) for loop in service.loops]
    try:
        async with bus.consuming(service.subscriptions):
            yield
    finally:
        for loop in loops:
            loop.cancel()
        results = await asyncio.gather(*loops, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in results), results


@asynccontextmanager
async def renderer(made: Settings, bus: MemoryBus, owner: str = "only") -> AsyncIterator[Service]:
    async with open_renderer(made, bus, owner) as service, working(service, bus):
        yield service


@asynccontextmanager
async def stage(folder: Path, *urls: str, **changes: Any) -> AsyncIterator[Stage]:
    """One renderer over these backends."""
    bus = MemoryBus()
    async with listening(bus) as heard, renderer(settings(folder, urls, **changes), bus) as heard.service:
        yield heard


async def done(heard: Stage, quantity: int = 1) -> None:
    """A batch of so many cards goes in, and every one of them becomes an image."""
    await heard.bus.publish(reserved(quantity=quantity))
    await heard.ended(quantity)
    assert set(heard.ends().values()) == {"done"}, heard.failed
