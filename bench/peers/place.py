"""What contestants of `bench.pipeline` are given: the broker, what travels, where its end is counted."""

import asyncio
import mmap
import os
import struct
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

#: Frameworks want their broker when a module is imported, so this can't be an argument.
URL = os.environ.get("BENCH_BUS_URL", "")
#: Deliveries that each consumer may hold, and messages that may wait for their confirmation.
PREFETCH = WINDOW = 100
#: Threads that send where sending blocks.
THREADS = 4

Item = dict[str, Any]


def item(number: int) -> Item:
    """As large as an `ImageReady`, which is what our own contestant passes on."""
    return {
        "batch_id": f"batch-{number}",
        "ordinal": 0,
        "round": 1,
        "index": number + 1,
        "folder": "Areg/characters/opal-fever/images",
        "name": f"Areg_opal-fever_image_{number + 1}",
        "username": "Areg",
        "character": {"id": "c1", "name": "Opal Fever", "collection": "characters"},
        "md5": "0123456789abcdef0123456789abcdef",
        "byte_count": 1_500_000,
        "media_type": "image/png",
        "width": 1024,
        "height": 1536,
        "seed": number,
        "used_embedding": False,
        "backend": "pod-1",
        "queue_ms": 0,
        "gpu_ms": 1000,
        "blob_key": f"batch-{number}/0/1-0123456789abcdef0123456789abcdef",
    }


class Tally:
    """Items at their end, counted by each process in a file of its own, which costs no call."""

    def __init__(self) -> None:
        self._count = 0
        self._pid = 0
        self._map: mmap.mmap | None = None

    def add(self) -> None:
        if self._map is None or self._pid != os.getpid():
            self._open()
        assert self._map is not None
        self._count += 1
        struct.pack_into("<q", self._map, 0, self._count)

    def _open(self) -> None:
        # Where a framework forks after the first of them, the child counts for itself.
        self._count, self._pid = 0, os.getpid()
        with (Path(os.environ["BENCH_TALLY"]) / str(self._pid)).open("w+b") as file:
            file.write(bytes(8))
            file.flush()
            self._map = mmap.mmap(file.fileno(), 8)


def counted(folder: Path) -> int:
    """All that came to its end, by all processes that count in this folder."""
    return sum(struct.unpack("<q", file.read_bytes())[0] for file in folder.iterdir() if file.stat().st_size)


async def drive(send: Callable[[Item], Awaitable[object]]) -> None:
    """Obeys orders from standard input: a number of items each, so many of them under way at once."""
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        window = asyncio.Semaphore(WINDOW)

        async def one(number: int, window: asyncio.Semaphore = window) -> None:
            async with window:
                await send(item(number))

        await asyncio.gather(*map(one, range(int(line))))
        print("sent", flush=True)


def drive_threads(send: Callable[[Item], object]) -> None:
    """As `drive`, where sending blocks."""
    print("ready", flush=True)
    with ThreadPoolExecutor(THREADS) as threads:
        for line in sys.stdin:
            for _ in threads.map(send, map(item, range(int(line)))):
                pass
            print("sent", flush=True)
