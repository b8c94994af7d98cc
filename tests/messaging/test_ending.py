"""Whoever is told to end ends, also where a library loses the word."""

import asyncio

from messaging.ending import ended
from messaging.errors import Outage


async def test_a_loop_that_lost_its_cancellation_is_told_again() -> None:
    heard = 0

    async def goes_on() -> None:
        nonlocal heard
        while heard < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                heard += 1
        raise Outage("nobody's business")

    tasks = [asyncio.create_task(goes_on()), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await ended(tasks, again=0.01)
    assert heard == 2
    assert all(task.done() for task in tasks)


async def test_what_a_task_does_on_purpose_before_it_ends_is_not_cut_short() -> None:
    done = asyncio.Event()

    async def tidy() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            done.set()

    task = asyncio.create_task(tidy())
    await asyncio.sleep(0)
    await ended([task])
    assert done.is_set()


async def test_nobody_to_end_is_no_wait() -> None:
    async with asyncio.timeout(1):
        await ended([])
