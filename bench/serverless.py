"""`python -m bench.serverless`: what a thousand serverless jobs in flight cost the process that holds them.

The renderer runs in this process with its own loops, job book and endpoint adapter; the RunPod stand-in runs
in another one. More images are asked for than may be in flight, so that each one that ends makes room for
the next. Memory and processor time are read every few seconds while all places are taken; the last two
lines are the cores used and how memory at the end compares with memory at the beginning.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.verdict import Bar, verdict
from chassis.process import Service
from contracts import names
from contracts.acceptance import folder_of
from contracts.commands import Character, GenerateBatch
from contracts.events import ImageFailed, ImageReady, IndicesReserved
from contracts.message import Message
from messaging.bus import Subscription
from messaging.memory import MemoryBus
from sandbox.runpod import Settings as EndpointSettings
from sandbox.runpod import runpod
from sandbox.serving import serve
from services.renderer.app import open_renderer
from services.renderer.settings import Settings

CORES = Bar(at_most=1.0)
#: Memory at the end by memory at the beginning; the database's page caches fill up to their bound meanwhile.
GROWTH = Bar(at_most=1.1)
#: Most images of one batch.
BATCH = 1000
KEY = "rpa_BENCH"


@dataclass(frozen=True)
class Sample:
    at: float
    cpu: float
    resident_mb: float
    in_flight: int


@dataclass
class Ends:
    """What the rest of the system would hear of images."""

    done: int = 0
    failed: int = 0

    async def ready(self, _message: ImageReady) -> Sequence[Message]:
        self.done += 1
        return ()

    async def broken(self, _message: ImageFailed) -> Sequence[Message]:
        self.failed += 1
        return ()


def reserved(number: int, quantity: int) -> IndicesReserved:
    request = GenerateBatch(
        batch_id=f"bench-{number}",
        username="Areg",
        character=Character(id="opal", name="Opal Fever", collection=names.PREMADE),
        prompt="",
        quantity=quantity,
        width=64,
        height=64,
        workflow="colour-card",
    )
    first = number * BATCH + 1
    return IndicesReserved(
        request=request,
        folder=folder_of(request),
        first=first,
        quantity=quantity,
        next_index=first + quantity,
    )


def sample(service: Service) -> Sample:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Sample(time.monotonic(), time.process_time(), pages * 4096 / 2**20, service.in_flight())


async def contest(options: argparse.Namespace) -> int:
    with TemporaryDirectory() as name:
        folder = Path(name)
        async with _stand_in(folder / "runpod", options) as api_url:
            settings = Settings.model_validate(
                {
                    "bus_url": "memory:",
                    "database_url": f"sqlite+aiosqlite:///{folder}/renderer.db",
                    "blobs_url": f"file:{folder}/blobs",
                    "renderer_urls": f"runpod://bench?depth={options.jobs}",
                    "runpod_api_url": api_url,
                    "runpod_api_key": KEY,
                    "workflows_dir": Path(__file__).parents[1] / "workflows",
                }
            )
            samples, ends = await _measured(settings, options)
        return _told(samples, ends, options.jobs)


async def _measured(settings: Settings, options: argparse.Namespace) -> tuple[list[Sample], Ends]:
    bus, ends = MemoryBus(), Ends()
    heard: list[Subscription[ImageReady] | Subscription[ImageFailed]] = [
        Subscription("uploader", ImageReady, ends.ready),
        Subscription("uploader", ImageFailed, ends.broken),
    ]
    async with (
        open_renderer(settings, bus) as service,
        bus.consuming([*heard, *service.subscriptions]),
        _running(service.loops),
    ):
        images = options.jobs + options.more
        for number in range(-(-images // BATCH)):
            await bus.publish(reserved(number, min(BATCH, images - number * BATCH)))
        await _filled(settings, options.jobs)
        samples = [sample(service)]
        _show(samples, ends)
        while samples[-1].at - samples[0].at < options.seconds:
            await asyncio.sleep(options.every)
            samples.append(sample(service))
            _show(samples, ends)
        return samples, ends


def _show(samples: Sequence[Sample], ends: Ends) -> None:
    last, before = samples[-1], samples[max(0, len(samples) - 2)]
    cores = (last.cpu - before.cpu) / max(0.001, last.at - before.at)
    print(
        f"{last.at - samples[0].at:5.0f} s  {last.in_flight:5} in flight  {ends.done:5} done  "
        f"{last.resident_mb:6.1f} MB  {cores:.2f} cores",
        flush=True,
    )


def _told(samples: Sequence[Sample], ends: Ends, jobs: int) -> int:
    first, last = samples[0], samples[-1]
    part = max(1, len(samples) // 4)
    memory = [statistics.median(each.resident_mb for each in of) for of in (samples[:part], samples[-part:])]
    fewest = min(each.in_flight for each in samples)
    print(f"never fewer than {fewest} in flight; {ends.done} images done, {ends.failed} failed meanwhile")
    held = 0 if fewest >= 0.9 * jobs and not ends.failed else 1
    growth = verdict("memory at the end by memory at the beginning", memory[1] / memory[0], GROWTH)
    return held | growth | verdict("cores", (last.cpu - first.cpu) / (last.at - first.at), CORES)


async def _filled(settings: Settings, jobs: int) -> None:
    """Returns when the endpoint has them all."""
    key = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=settings.runpod_api_url, headers=key, trust_env=False) as http:
        while True:
            told = (await http.get("/bench/health")).json()["jobs"]
            if told["inQueue"] + told["inProgress"] >= 0.99 * jobs:
                return
            await asyncio.sleep(0.5)


@asynccontextmanager
async def _running(loops: Sequence[Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(loop()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _stand_in(folder: Path, options: argparse.Namespace) -> AsyncIterator[str]:
    words = ["--serve", str(folder), "--workers", str(options.workers), "--render", str(options.render)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.serverless", *words, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


async def _serve(options: argparse.Namespace) -> None:
    settings = EndpointSettings.model_validate(
        {
            "files": options.serve,
            "endpoints": ("bench",),
            "api_key": KEY,
            "max_workers": options.workers,
            "render_seconds": options.render,
        }
    )
    async with serve(runpod(settings)) as url:
        print(f"{url}/v2", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.serverless", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000, help="in flight")
    parser.add_argument("--more", type=int, default=2000, help="images beyond those, to take their places")
    parser.add_argument("--seconds", type=float, default=60.0, help="measured, once all places are taken")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two samples")
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--render", type=float, default=20.0, help="seconds that a worker takes for an image")
    # What follows is for the process that this one starts.
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(_serve(options))
    else:
        sys.exit(asyncio.run(contest(options)))


if __name__ == "__main__":
    main()
