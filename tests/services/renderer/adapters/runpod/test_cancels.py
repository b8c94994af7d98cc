"""Cancels wait in a line, whoever asked for them may go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.renderer.adapters.runpod import cancels as module
from services.renderer.adapters.runpod.cancels import TRIES, Cancels
from services.renderer.adapters.runpod.client import TooMany
from services.renderer.adapters.runpod.pace import Rate
from services.renderer.domain.troubles import Hopeless, Trouble, Unreachable


class Line:
    """What was sent, and the troubles that the next ones meet."""

    def __init__(self, *troubles: Trouble, per_second: float = 1000.0) -> None:
        self.sent: list[str] = []
        self.troubles = list(troubles)
        self.cancels = Cancels(self.send, Rate(per_second))

    async def send(self, receipt: str) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        self.sent.append(receipt)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Cancels]:
        task = asyncio.create_task(self.cancels.run())
        try:
            yield self.cancels
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_many_cancels_go_out_at_the_rate_that_is_allowed_and_each_once() -> None:
    line = Line(per_second=200)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with line.open() as cancels:
        await asyncio.gather(*(cancels.cancel(str(number % 50)) for number in range(100)))
    assert sorted(line.sent, key=int) == [str(number) for number in range(50)]
    assert loop.time() - began >= 49 / 200


async def test_whoever_stops_waiting_leaves_the_job_in_the_line() -> None:
    line = Line()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await line.cancels.cancel("a")
    async with line.open() as cancels:
        await cancels.cancel("b")
    assert line.sent == ["a", "b"]


async def test_too_many_requests_are_waited_out_and_an_answer_of_no_ends_it() -> None:
    line = Line(TooMany(0.01), TooMany(0.01))
    async with line.open() as cancels:
        await cancels.cancel("a")
        line.troubles = [Hopeless("no", "never")]
        await cancels.cancel("b")
        await cancels.cancel("c")
    assert line.sent == ["a", "c"]


async def test_an_api_that_stays_away_holds_the_line_up_for_a_while_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "REST", 0.01)
    line = Line(*[Unreachable("away")] * TRIES)
    async with line.open() as cancels:
        await cancels.cancel("a")
        await cancels.cancel("b")
    assert line.sent == ["b"]
