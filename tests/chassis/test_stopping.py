"""How a process is told to stop, while it runs and while it still opens what it needs."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from signal import SIGTERM
from typing import Any

import pytest

from chassis.stopping import SIGNALS, Stopped, unless
from tests.chassis.databases import ROOT

#: Seconds in which a small process does anything.
PROMPT = 20


async def rest() -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def hanging(within: float, first: int) -> AsyncIterator[Process]:
    """A process that was told to stop and does not."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chassis.deaf", str(within)), cwd=ROOT, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PROMPT):
            assert await process.stdout.readline() == b"listens\n"
            process.send_signal(first)
            assert await process.stdout.readline() == b"hangs\n"
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
async def test_a_second_signal_ends_a_process_on_the_spot(first: int, second: int) -> None:
    async with hanging(600, first) as process:
        process.send_signal(second)
        assert await process.wait() == -second


async def test_what_hangs_is_given_up_in_time_and_the_log_says_so() -> None:
    async with hanging(0.2, SIGTERM) as process:
        said, _ = await process.communicate()
        assert process.returncode == 1
    assert b"did not end in time" in said


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
