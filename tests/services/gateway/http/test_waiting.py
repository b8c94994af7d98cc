"""Callers who wait are woken by what happens, and by nothing else are they let down."""

import asyncio
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest

from contracts.commands import GenerateBatch
from services.gateway.adapters import stage
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.stage import LiveStage
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door, opened


async def waiting(door: Door, quantity: int = 1, count: int = 1) -> "list[asyncio.Task[httpx.Response]]":
    """Questions that are under way, each with a caller who waits."""
    door.peer.script = peer.nothing
    character_id = await door.character()
    wish: dict[str, Any] = {"characterId": character_id, "prompt": "x", "quantity": quantity}
    asking = [
        asyncio.create_task(door.areg.post("/api/image-generation/generate", json=wish)) for _ in range(count)
    ]
    await door.peer.hears(GenerateBatch, count)
    await door.peer.bus.settled()
    return asking


async def test_a_waiting_caller_is_answered_at_the_event(door: Door) -> None:
    (asking,) = await waiting(door)
    event = await door.peer.reserved()
    await asyncio.sleep(0)
    began = monotonic()
    await door.peer.says(peer.stored(event, 0))
    answer = await asking
    assert answer.status_code == 200
    # Far less than the second after which he would have looked by himself.
    assert monotonic() - began < 0.8


async def test_the_end_is_told_at_home_without_the_broker_and_without_a_question(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hints from the broker are lost here, and nobody looks by himself."""
    monkeypatch.setattr(stage, "LOOK", 3600.0)
    monkeypatch.setattr(LiveStage, "changed", lambda _stage, _batch_id: None)
    asked: list[str] = []

    async def counted(_batches: SqlBatches, batch_id: str) -> bool:
        asked.append(batch_id)
        return False

    monkeypatch.setattr(SqlBatches, "is_over", counted)
    (asking,) = await waiting(door)
    event = await door.peer.reserved()
    await door.peer.says(peer.stored(event, 0))
    async with asyncio.timeout(10):
        assert (await asking).status_code == 200
    assert asked == []


async def test_a_batch_is_read_once_for_whoever_waits_for_its_end(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    find = SqlBatches.find

    async def counted(batches: SqlBatches, batch_id: str, username: str) -> Any:
        read.append(batch_id)
        return await find(batches, batch_id, username)

    monkeypatch.setattr(SqlBatches, "find", counted)
    (asking,) = await waiting(door, quantity=4)
    event = await door.peer.reserved()
    for ordinal in range(4):
        await door.peer.says(peer.stored(event, ordinal))
    assert (await asking).status_code == 200
    assert read == [event.batch_id]


async def test_many_wait_at_once_and_each_gets_his_own(door: Door) -> None:
    asking = await waiting(door, count=20)
    for event in door.peer.reservations.values():
        await door.peer.bus.publish(peer.stored(event, 0))
    answers = await asyncio.gather(*asking)
    urls = {answer.json()["data"]["imageUrl"] for answer in answers}
    assert len(urls) == 20


async def test_at_the_stop_of_the_process_whoever_waits_is_told_where_to_look(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        asking = await waiting(door, count=3)
        began = monotonic()
        door.stop.set()
        answers = await asyncio.gather(*asking)
        assert {answer.status_code for answer in answers} == {202}
        assert all(answer.json()["data"]["statusUrl"] for answer in answers)
        assert monotonic() - began < 5


async def callers(door: Door) -> float:
    """How many wait now, as operators see it."""
    metrics = (await door.by("Nare").get("/metrics")).text
    return float(
        next(line for line in metrics.splitlines() if line.startswith("darkroom_waiting")).split()[1]
    )


async def test_a_caller_who_hangs_up_waits_no_longer(door: Door) -> None:
    (asking,) = await waiting(door)
    assert await callers(door) == 1
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    async with asyncio.timeout(10):
        while await callers(door):
            continue


async def test_a_batch_is_accepted_while_nobody_hears_of_it(tmp_path: Path) -> None:
    async with opened(tmp_path, deaf=True) as door:
        made = await door.batch(await door.character())
        known = (await door.areg.get(made["urls"]["self"])).json()
        assert (known["status"], known["indexes"]) == ("queued", None)
