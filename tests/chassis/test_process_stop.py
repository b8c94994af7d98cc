"""How a process is told to stop, while it runs and while it still opens what it needs."""

import asyncio
import os
import signal
from typing import Any

import pytest

from chassis.process import Stopped, stop_on_signals, unless


async def rest() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_asks_for_the_end_and_a_second_interrupt_insists(number: int) -> None:
    stop = stop_on_signals()
    try:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            await stop.wait()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        for known in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(known)


async def test_what_opens_is_given_up_when_told_to_stop() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, stop.set)
    with pytest.raises(Stopped):
        await _open(stop, rest())


async def test_what_is_open_is_not_given_up() -> None:
    stop = asyncio.Event()
    await _open(stop, asyncio.sleep(0))
    stop.set()
    await asyncio.sleep(0.01)


async def test_a_wait_that_times_out_while_it_opens_is_no_word_to_stop() -> None:
    with pytest.raises(TimeoutError):
        await _open(asyncio.Event(), asyncio.wait_for(rest(), 0.01))


async def _open(stop: asyncio.Event, work: Any) -> None:
    async with unless(stop):
        await work
