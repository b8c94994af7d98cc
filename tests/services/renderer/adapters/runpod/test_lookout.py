"""The one that looks: in turn, within its rate, and waking nobody for nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from services.renderer.adapters.runpod.client import TooMany
from services.renderer.adapters.runpod.lookout import EndpointWatch, Lookout, Sight
from services.renderer.adapters.runpod.pace import Rate
from services.renderer.domain.remote import Attached, File, Finished, Lost, Queued, Remote, Running, Seen
from services.renderer.domain.troubles import Passing, Trouble, Unreachable

POLL = 0.02
DONE = Finished(Attached(b""), 10, 0)


@dataclass
class Endpoint:
    """What each job would be answered, the last word for ever."""

    words: dict[str, list[Seen | Trouble]] = field(default_factory=dict)
    looks: Counter[str] = field(default_factory=Counter)
    under_way: int = 0
    most_under_way: int = 0

    async def look(self, remote: Remote) -> Sight:
        self.looks[remote.key] += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0.001)
        self.under_way -= 1
        words = self.words.get(remote.key, [Queued()])
        word = words.pop(0) if len(words) > 1 else words[0]
        if isinstance(word, Trouble):
            raise word
        return Sight(word)


def remote(key: str = "a", receipt: str | None = None) -> Remote:
    return Remote(key, receipt, "", "9", File("", ""))


@asynccontextmanager
async def looking(endpoint: Endpoint, per_second: float = 1000.0) -> AsyncIterator[Lookout]:
    lookout = Lookout(endpoint.look, Rate(per_second))
    task = asyncio.create_task(lookout.run())
    try:
        yield lookout
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - many things make it true
            await asyncio.sleep(0.005)


async def test_a_job_is_told_of_as_it_changes_and_not_in_between() -> None:
    endpoint = Endpoint({"a": [Queued(), Queued(), Queued(), Running(), Running(), DONE]})
    async with looking(endpoint) as lookout:
        with lookout.watching(remote(), POLL) as watch:
            told = [await watch.news(remote(receipt="x")) for _ in range(3)]
    assert told == [Queued(), Running(), DONE]
    assert endpoint.looks == {"a": 6}


async def test_a_job_that_ended_is_not_looked_at_again() -> None:
    endpoint = Endpoint({"a": [DONE], "b": [Passing("x", "y")]})
    async with looking(endpoint) as lookout:
        with lookout.watching(remote("a"), POLL) as one, lookout.watching(remote("b"), POLL) as two:
            assert await one.news(remote("a", "x")) == DONE
            with pytest.raises(Passing):
                await two.news(remote("b", "y"))
            lookout.hint("a")
            await asyncio.sleep(5 * POLL)
    assert endpoint.looks == {"a": 1, "b": 1}


async def test_a_job_counts_as_gone_when_two_looks_do_not_find_it() -> None:
    endpoint = Endpoint({"a": [Lost(), Running(), Lost(), Lost()]})
    async with looking(endpoint) as lookout:
        with lookout.watching(remote(), POLL) as watch:
            assert await watch.news(remote(receipt="x")) == Running()
            assert await watch.news(remote(receipt="x")) == Lost()
    assert endpoint.looks == {"a": 4}


async def test_a_thousand_jobs_are_looked_at_within_the_rate_and_each_in_its_turn() -> None:
    endpoint = Endpoint()
    async with looking(endpoint, per_second=500) as lookout, AsyncExitStack() as stack:
        watches: list[tuple[EndpointWatch, str]] = []
        for number in range(1000):
            watches.append((stack.enter_context(lookout.watching(remote(str(number)), POLL)), str(number)))
        waiting = [asyncio.create_task(watch.news(remote(key, "x"))) for watch, key in watches]
        loop = asyncio.get_running_loop()
        began = loop.time()
        await until(lambda: len(endpoint.looks) == 1000)
        assert endpoint.looks.total() <= 500 * (loop.time() - began) + 20
        assert max(endpoint.looks.values()) <= 2
        assert endpoint.most_under_way <= 32
        await asyncio.wait(waiting, timeout=5)


async def test_a_hint_brings_a_look_at_once_also_before_anybody_asked() -> None:
    endpoint = Endpoint({"a": [DONE], "b": [DONE]})
    async with looking(endpoint) as lookout, asyncio.timeout(5):
        with lookout.watching(remote("a"), 3600) as watch:
            lookout.hint("a")
            assert await watch.news(remote("a", "x")) == DONE
        with lookout.watching(remote("b"), 3600) as watch:
            waiting = asyncio.create_task(watch.news(remote("b", "x")))
            await asyncio.sleep(0)
            lookout.hint("b")
            lookout.hint("never-heard-of")
            assert await waiting == DONE


async def test_a_job_that_was_sent_before_is_looked_at_at_once() -> None:
    endpoint = Endpoint({"a": [DONE]})
    async with looking(endpoint) as lookout, asyncio.timeout(5):
        with lookout.watching(remote("a", "x"), 3600) as watch:
            assert await watch.news(remote("a", "x")) == DONE


async def test_an_endpoint_that_is_away_is_asked_once_for_all_and_all_are_told() -> None:
    away: list[Seen | Trouble] = [Unreachable("away"), Running()]
    endpoint = Endpoint({"a": away, "b": away})
    async with looking(endpoint) as lookout:
        with lookout.watching(remote("a"), POLL) as one, lookout.watching(remote("b"), POLL) as two:
            heard = await asyncio.gather(
                one.news(remote("a", "x")), two.news(remote("b", "y")), return_exceptions=True
            )
            assert [type(each) for each in heard] == [Unreachable, Unreachable]
            assert await one.news(remote("a", "x")) == Running()
            assert await two.news(remote("b", "y")) == Running()


async def test_what_is_unchanged_after_an_outage_is_told_once_more() -> None:
    """Whoever counts how long the endpoint is away has to hear that it is back."""
    endpoint = Endpoint({"a": [Running(), Unreachable("away"), Running()]})
    async with looking(endpoint) as lookout:
        with lookout.watching(remote(), POLL) as watch:
            assert await watch.news(remote(receipt="x")) == Running()
            with pytest.raises(Unreachable):
                await watch.news(remote(receipt="x"))
            assert await watch.news(remote(receipt="x")) == Running()


async def test_too_many_requests_are_nobodys_business_but_the_rates() -> None:
    endpoint = Endpoint({"a": [TooMany(0.05), TooMany(0.05), DONE]})
    async with looking(endpoint) as lookout:
        with lookout.watching(remote(), POLL) as watch:
            assert await watch.news(remote(receipt="x")) == DONE


async def test_a_job_in_the_queue_is_told_when_the_endpoint_is_asleep_and_a_running_one_is_not() -> None:
    endpoint = Endpoint({"a": [Queued()], "b": [Running()]})
    async with looking(endpoint) as lookout:
        with lookout.watching(remote("a"), POLL) as one, lookout.watching(remote("b"), POLL) as two:
            assert await one.news(remote("a", "x")) == Queued()
            assert await two.news(remote("b", "y")) == Running()
            lookout.cold(True)
            assert await one.news(remote("a", "x")) == Queued(cold=True)
            silent = asyncio.create_task(two.news(remote("b", "y")))
            await asyncio.sleep(5 * POLL)
            assert not silent.done()
            silent.cancel()
    assert lookout.jobs == 0


async def test_a_job_in_the_queue_is_told_how_many_of_ours_are_before_it() -> None:
    endpoint = Endpoint({"a": [Queued(), Queued(), Running()], "b": [Queued()]})
    async with looking(endpoint) as lookout:
        with lookout.watching(remote("a"), POLL) as one, lookout.watching(remote("b"), POLL) as two:
            assert await one.news(remote("a", "x")) == Queued(ahead=0)
            assert await two.news(remote("b", "y")) == Queued(ahead=1)
            assert await one.news(remote("a", "x")) == Running()
            assert await two.news(remote("b", "y")) == Queued(ahead=0)
