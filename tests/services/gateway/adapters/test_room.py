"""What is read once for everybody who waits for the same."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from services.gateway.adapters.room import REMEMBERED, Room


class Source:
    """Says how often it was asked, as soon as the gate is open."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = asyncio.Event()

    def reads(self) -> Callable[[], Coroutine[Any, Any, int | None]]:
        async def read() -> int | None:
            self.asked += 1
            answer = self.asked
            await self.gate.wait()
            return answer

        return read


async def test_everybody_who_asks_for_the_same_is_answered_by_one_reading() -> None:
    room, source = Room(), Source()
    asking = [asyncio.create_task(room.once("x", source.reads())) for _ in range(50)]
    await asyncio.sleep(0)
    source.gate.set()
    assert await asyncio.gather(*asking) == [1] * 50
    assert await room.once("x", source.reads()) == 1
    assert await room.once("y", source.reads()) == 2


async def test_a_ring_has_it_read_anew_also_while_a_reading_is_under_way() -> None:
    room, source = Room(), Source()
    before = asyncio.create_task(room.once("x", source.reads()))
    await asyncio.sleep(0)
    room.ring()
    after = asyncio.create_task(room.once("x", source.reads()))
    await asyncio.sleep(0)
    source.gate.set()
    assert (await before, await after) == (1, 2)
    assert await room.once("x", source.reads()) == 2


async def test_nothing_is_asked_for_again() -> None:
    room, asked = Room(), 0

    async def nothing() -> None:
        nonlocal asked
        asked += 1

    for _ in range(3):
        await room.once("x", nothing)
    assert asked == 3


async def test_a_reading_that_fails_fails_for_who_waits_and_is_tried_again() -> None:
    room, source = Room(), Source()

    async def breaks() -> int:
        await source.gate.wait()
        raise ValueError("away")

    asking = [asyncio.create_task(room.once("x", breaks)) for _ in range(3)]
    await asyncio.sleep(0)
    source.gate.set()
    assert [str(why) for why in await asyncio.gather(*asking, return_exceptions=True)] == ["away"] * 3
    assert await room.once("x", source.reads()) == 1


async def test_who_leaves_takes_nothing_away_from_the_others() -> None:
    room, source = Room(), Source()
    first = asyncio.create_task(room.once("x", source.reads()))
    await asyncio.sleep(0)
    second = asyncio.create_task(room.once("x", source.reads()))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    source.gate.set()
    assert await second == 1


async def test_nothing_is_read_for_an_empty_room() -> None:
    room, source = Room(), Source()
    asking = asyncio.create_task(room.once("x", source.reads()))
    await asyncio.sleep(0)
    room.leave()
    with pytest.raises(asyncio.CancelledError):
        await asking


def test_what_is_remembered_is_bounded_and_forgotten_at_a_ring() -> None:
    room = Room()
    made: list[int | str] = []
    for key in range(REMEMBERED * 2):
        room.recalled(key, lambda: made.append(key))  # noqa: B023  called at once
    assert len(room._known) <= REMEMBERED
    room.recalled(key, lambda: made.append("again"))
    assert "again" not in made
    room.ring()
    room.recalled(key, lambda: made.append("again"))
    assert made[-1] == "again"
