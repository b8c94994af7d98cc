"""A Celery chain for each image, on prefork workers, acknowledged late: our adapters on a loop that each
worker has of its own, and bytes through the blob store."""

import asyncio
import sys
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from celery import Celery, chain

from bench.peers.place import URL, Tally
from bench.peers.studio import Studio, opened, request
from contracts.commands import GenerateBatch

#: As many processes as we have services.
PROCESSES = 4

T = TypeVar("T")

app = Celery("bench.peers.celery_job", broker=URL)
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={"confirm_publish": True},
    worker_hijack_root_logger=False,
)
TALLY = Tally()


class Worker:
    """What a worker process opens at its first task, after the fork, and keeps."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stack = AsyncExitStack()
        self.studio: Studio

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._started()).result()

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, daemon=True).start()
            opening = self._stack.enter_async_context(opened())
            self.studio = asyncio.run_coroutine_threadsafe(opening, self._loop).result()
        return self._loop


WORKER = Worker()


@app.task
def reserve(asked: dict[str, Any]) -> None:
    async def work() -> int:
        return await WORKER.studio.reserve(GenerateBatch.model_validate(asked))

    first = WORKER.run(work())
    for ordinal in range(asked["quantity"]):
        chain(render.s(asked, first, ordinal), store.s(asked, first + ordinal)).apply_async()


@app.task
def render(asked: dict[str, Any], first: int, ordinal: int) -> str:
    async def work() -> str:
        batch = GenerateBatch.model_validate(asked)
        return await WORKER.studio.keep(batch, ordinal, await WORKER.studio.render(batch, first, ordinal))

    return WORKER.run(work())


@app.task
def store(key: str, asked: dict[str, Any], index: int) -> None:
    async def work() -> None:
        studio = WORKER.studio
        data = await studio.blobs.get(key)
        assert data is not None, f"the bytes of {key} are gone"
        await studio.store(GenerateBatch.model_validate(asked), index, data)
        await studio.blobs.remove(key)

    WORKER.run(work())
    TALLY.add()


if __name__ == "__main__":
    print("ready", flush=True)
    for line in sys.stdin:
        batches, quantity = map(int, line.split())
        for number in range(batches):
            reserve.delay(request(number, quantity))
        print("sent", flush=True)
