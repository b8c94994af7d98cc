"""Everything of one user's in one stream."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.gateway.adapters.tokens import LEEWAY
from tests.services.gateway.events import reserved, stored
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door, bearer, opened, token
from tests.services.gateway.http.listener import Event, Listener
from tests.services.gateway.http.test_event_streams import eventually, open_streams

EVENTS = "/v1/events"


@asynccontextmanager
async def following(door: Door, last: str | None = None, user: str = "Areg") -> AsyncIterator[Listener]:
    headers = {} if last is None else {"Last-Event-ID": last}
    async with door.by(user).stream("GET", EVENTS, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Listener(response)


async def told_of(stream: Listener, batch_id: str, status: str) -> Event:
    """The first word that this batch stands so."""
    while True:
        event = await stream.until("batch")
        if (event.data["id"], event.data["status"]) == (batch_id, status):
            return event


async def test_the_newest_batches_come_first_and_then_what_changes_in_any_of_them(door: Door) -> None:
    await door.peer.says(reserved("b1"), reserved("b2"), reserved("hers", username="Nare"))
    async with following(door) as stream:
        first = await stream.next()
        assert first.name == "batches"
        assert {each["id"] for each in first.data["items"]} == {"b1", "b2"}
        await door.peer.says(stored(0, batch_id="b2"), stored(1, batch_id="b2"))
        await told_of(stream, "b2", "succeeded")
        await door.peer.says(stored(0), stored(1))
        await told_of(stream, "b1", "succeeded")
    outputs = [event.data for event in stream.heard if event.name == "output"]
    assert sorted((each["batch_id"], each["ordinal"]) for each in outputs) == [
        (batch_id, ordinal) for batch_id in ("b1", "b2") for ordinal in (0, 1)
    ]


async def test_a_batch_that_is_asked_for_meanwhile_is_told_without_asking_for_it(door: Door) -> None:
    character_id = await door.character()
    async with following(door) as stream:
        assert (await stream.next()).data == {"items": []}
        made = await door.batch(character_id)
        await told_of(stream, made["id"], "succeeded")


async def test_nothing_of_anybody_elses_is_told(door: Door) -> None:
    async with following(door, user="Nare") as stream:
        assert (await stream.next()).data == {"items": []}
        await door.peer.says(reserved("b1"), stored(0), stored(1), reserved("hers", username="Nare"))
        assert (await stream.next()).data["id"] == "hers"


async def test_steps_are_told_with_their_batch(door: Door) -> None:
    event = reserved("b1")
    await door.peer.says(event)
    async with following(door) as stream:
        await stream.next()
        await door.peer.says(peer.progress(event, 1, stage="running", step=3, steps=30))
        step = await stream.until("progress")
    assert (step.data["batch_id"], step.data["ordinal"], step.data["value"]) == ("b1", 1, 0.1)
    assert step.id is None


async def test_who_comes_back_misses_nothing_also_at_another_replica(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    async with opened(tmp_path) as door:
        await door.peer.says(reserved("b1", quantity=4))
        async with following(door) as stream:
            last = (await stream.next()).id
            await door.peer.says(stored(0))
            last = (await stream.until("batch")).id
            heard += [each.data for each in stream.heard if each.name == "output"]
        await door.peer.says(stored(1), stored(2))
    async with opened(tmp_path) as door, following(door, last) as stream:
        await door.peer.says(stored(3))
        await told_of(stream, "b1", "succeeded")
        heard += [each.data for each in stream.heard if each.name == "output"]
        assert not any(each.name == "batches" for each in stream.heard)
    assert [each["ordinal"] for each in heard] == [0, 1, 2, 3]


async def test_an_id_of_nobodys_or_of_somebody_elses_begins_anew(door: Door) -> None:
    await door.peer.says(reserved("hers", username="Nare"))
    async with following(door, user="Nare") as hers:
        last = (await hers.next()).id
    for unknown in (last, "999999", "garbage", "-1"):
        async with following(door, unknown) as stream:
            assert (await stream.next()).name == "batches"


async def test_it_ends_with_its_token_and_leaves_nothing_behind(door: Door) -> None:
    await door.peer.says(reserved("b1"))
    headers = bearer(token(exp=time.time() - LEEWAY + 4))
    async with door.by("nobody").stream("GET", EVENTS, headers=headers) as response:
        assert response.status_code == 200
        told = await Listener(response).rest()
    assert [event.name for event in told] == ["batches", "closing"]
    await eventually(lambda: open_streams() == 0)
