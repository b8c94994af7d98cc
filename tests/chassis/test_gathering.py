"""Work shared by concurrent callers."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from time import monotonic

import pytest
from structlog.contextvars import bound_contextvars, get_contextvars

from chassis.gathering import Gathering, Shared
from messaging import tracing


class Commits:
    """Commits that take until they are let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun = asyncio.Event()
        self.may_end = asyncio.Semaphore(0)

    async def __call__(self, wishes: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(wishes))
        self.begun.set()
        await self.may_end.acquire()
        if -1 in wishes:
            raise ValueError("this group fails")
        return [wish * 10 for wish in wishes]


async def test_whoever_comes_while_a_commit_is_under_way_gathers_for_the_next() -> None:
    commits = Commits()
    async with aclosing(Gathering(commits, 3)) as gathering:
        first = asyncio.create_task(gathering(1))
        await commits.begun.wait()
        others = []
        for n in range(2, 7):
            others.append(asyncio.create_task(gathering(n)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert commits.groups == [[1]]
        for _ in range(3):
            commits.may_end.release()
        assert await asyncio.gather(first, *others) == [10, 20, 30, 40, 50, 60]
    assert commits.groups == [[1], [2, 3, 4], [5, 6]]


async def test_a_commit_that_fails_concerns_its_own_group_alone() -> None:
    commits = Commits()
    commits.may_end = asyncio.Semaphore(9)
    async with aclosing(Gathering(commits, 2)) as gathering:
        answers = await asyncio.gather(*map(gathering, (1, -1, 2)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError, ValueError, int]


async def test_after_a_group_of_several_those_that_follow_gather_for_a_while() -> None:
    groups: list[list[int]] = []

    async def commit(wishes: Sequence[int]) -> Sequence[int]:
        groups.append(list(wishes))
        await asyncio.sleep(0.3)
        return wishes

    async with aclosing(Gathering(commit, 10, rest=60.0)) as gathering:
        await asyncio.gather(gathering(1), gathering(2))
        late = []
        for wish in (3, 4, 5):
            late.append(asyncio.create_task(gathering(wish)))
            await asyncio.sleep(0.01)
        await asyncio.gather(*late)
    assert groups == [[1, 2], [3, 4, 5]]


@pytest.mark.parametrize(("wishes", "rest"), [((1,), 60.0), ((1, 2), 0.01)])
async def test_nobody_rests_after_one_that_came_alone_nor_longer_than_is_allowed(
    wishes: Sequence[int], rest: float
) -> None:
    async def commit(wishes: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0.5)
        return wishes

    async with aclosing(Gathering(commit, 10, rest)) as gathering:
        began = monotonic()
        for _ in range(2):
            await asyncio.gather(*map(gathering, wishes))
        # Thrice what one took would be one and a half more.
        assert monotonic() - began < 2.2


async def test_the_rest_is_over_when_the_next_group_is_full() -> None:
    async def commit(wishes: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(1.0 if 1 in wishes else 0.0)
        return wishes

    async with aclosing(Gathering(commit, 2, rest=60.0)) as gathering:
        await asyncio.gather(gathering(1), gathering(2))
        async with asyncio.timeout(2.0):  # the rest would be three
            await asyncio.gather(gathering(3), gathering(4))


async def test_closing_ends_a_commit_under_way() -> None:
    commits = Commits()
    gathering = Gathering(commits, 3)
    caller = asyncio.create_task(gathering(1))
    await commits.begun.wait()
    await gathering.aclose()
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_equal_questions_at_the_same_time_have_one_answer() -> None:
    asked: list[str] = []
    may_end = asyncio.Event()

    async def ask(key: str) -> str:
        asked.append(key)
        await may_end.wait()
        return key.upper()

    async with aclosing(Shared(ask)) as shared:
        callers = [asyncio.create_task(shared(key)) for key in "aab"]
        await asyncio.sleep(0)
        callers[0].cancel()
        may_end.set()
        answers = await asyncio.gather(*callers, return_exceptions=True)
        assert answers[1:] == ["A", "B"]
        assert await shared("a") == "A"
    assert asked == ["a", "b", "a"]


async def test_what_is_done_for_several_is_nobodys_own() -> None:
    told: list[tuple[dict[str, object], str | None, str | None]] = []

    async def commit(wishes: Sequence[int]) -> Sequence[int]:
        told.append((get_contextvars(), tracing.traceparent(), tracing.SERVICE.get()))
        return wishes

    async def answer(key: str) -> str:
        await commit([])
        return key

    gathering: Gathering[int, int] = Gathering(commit, 10)
    shared = Shared(answer)
    with tracing.serving("indexer"), tracing.span("work"), bound_contextvars(batch_id="b-1"):
        assert await gathering(7) == 7
        assert await shared("key") == "key"
    assert told == [({}, None, "indexer")] * 2
