"""How a process hears that it should stop, and what happens where it cannot."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger("process")

#: Seconds from the word to stop to the end of the process, whatever hangs. Whoever starts processes should
#: wait a little longer before he kills them.
STOP_SECONDS = 35.0
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop_on_signals(within: float = STOP_SECONDS) -> asyncio.Event:
    """Set by SIGTERM or SIGINT. A second one ends the process on the spot, and so does, with status 1, the
    end of `within` seconds: what it held then is found again by lease and redelivery, as after a crash."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stopping() -> None:
        stop.set()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            # Not Python's own: its KeyboardInterrupt would begin another orderly end.
            signal.signal(number, signal.SIG_DFL)
        # A thread, because what hangs may hold up the loop; a daemon, because nobody waits for it.
        last = threading.Timer(within, _give_up, [within])
        last.daemon = True
        last.start()

    for number in SIGNALS:
        loop.add_signal_handler(number, stopping)
    return stop


def _give_up(after: float) -> None:
    held = sorted(thread.name for thread in threading.enumerate() if not thread.daemon)
    log.critical("did not end in time", seconds=after, threads=held)
    os._exit(1)


class Stopped(Exception):
    """Told to stop before everything was open."""


@asynccontextmanager
async def unless(stop: asyncio.Event) -> AsyncIterator[None]:
    """Gives up what is done in the block, a wait for a broker or a database perhaps, when `stop` is set.
    Raises Stopped then."""
    try:
        async with asyncio.timeout(None) as patience:
            watching = asyncio.create_task(_end(patience, stop))
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        if patience.expired():
            raise Stopped from None
        raise


async def _end(patience: asyncio.Timeout, stop: asyncio.Event) -> None:
    await stop.wait()
    patience.reschedule(asyncio.get_running_loop().time())
