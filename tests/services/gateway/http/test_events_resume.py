"""Whoever comes back with the id of his last event misses nothing, at whichever replica he comes back to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest

from contracts.message import Message
from contracts.transient import ChangesLogged
from services.gateway.adapters import log_watch
from tests.services.gateway.events import FIRST, deleted, failed, moved, reserved, stored
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door, opened
from tests.services.gateway.http.listener import Event, believed, listening

#: One batch as it may go: out of order, with a deletion and an image that gets another number.
STORY: list[Message] = [
    reserved(quantity=4),
    stored(2),
    failed(0, follows=True),
    moved(1, new=40),
    stored(0, placeholder=True),
    stored(1, index=40),
    deleted(FIRST + 2),
    failed(3),
]


async def told_from(door: Door, last: str | None, batch_id: str = "b1") -> list[Event]:
    async with listening(door, batch_id, last) as stream:
        return await stream.rest()


async def present(door: Door) -> dict[str, object]:
    return dict((await door.areg.get("/v1/batches/b1")).json())


async def test_a_stream_that_breaks_after_any_event_is_taken_up_without_loss(door: Door) -> None:
    """The client listens to the end, once; then again and again, each time with fewer events lost."""
    await door.peer.says(STORY[0])
    async with listening(door, "b1") as stream:
        await stream.next()
        for message in STORY[1:]:
            await door.peer.says(message)
        await stream.rest()
    heard, truth = stream.heard, await present(door)
    assert believed(heard) == truth
    for broken in range(1, len(heard)):
        before = heard[:broken]
        last = next(event.id for event in reversed(before) if event.id)
        after = await told_from(door, last)
        assert believed(after, believed(before)) == truth, broken
        assert after[-1].name == "completed"


async def test_a_stream_that_breaks_at_any_moment_of_the_batch_is_taken_up_without_loss(door: Door) -> None:
    """What is known before each message, and what is told from there on, is the truth at every moment."""
    await door.peer.says(STORY[0])
    known: dict[str, object] = {}
    last: str | None = None
    for message in STORY[1:]:
        async with listening(door, "b1", last) as stream:
            await stream.next()
            await door.peer.says(message)
            await stream.until("output")
        known = believed(stream.heard, known)
        last = next(event.id for event in reversed(stream.heard) if event.id)
        truth = await present(door)
        assert known["images"] == truth["images"]
    assert believed(await told_from(door, last), known) == await present(door)


async def test_images_alone_show_what_was_missed(door: Door) -> None:
    """Not only the end tells: of each image that changed while nobody listened there is an event."""
    await door.peer.says(reserved(quantity=4), stored(0))
    async with listening(door, "b1") as stream:
        last = (await stream.next()).id
    await door.peer.says(stored(1), failed(2), stored(1, version=2))
    async with listening(door, "b1", last) as stream:
        told = [await stream.until("output") for _ in range(2)]
        assert stream.heard[0].data["progress"]["done"] == 3
    assert sorted(event.data["ordinal"] for event in told) == [1, 2]


@pytest.mark.parametrize(
    "word", ["", "garbage", "0", "-1", "1.5", "999999", "9" * 18, "9" * 400, "1.end.end", "٣", "\N{SNOWMAN}"]
)
async def test_what_is_no_position_of_ours_begins_anew(door: Door, word: str) -> None:
    await door.peer.says(reserved())
    async with door.areg.stream(
        "GET", "/v1/batches/b1/events", headers={b"Last-Event-ID": word.encode()}
    ) as response:
        lines = response.aiter_lines()
        assert [await anext(lines) for _ in range(3)] == ["retry: 2000", "", "event: status"]
        assert '"images":[{' in await anext(lines)


async def test_a_position_of_another_batch_begins_anew(door: Door) -> None:
    await door.peer.says(reserved(), reserved("b2"))
    async with listening(door, "b2") as stream:
        other = await stream.next()
    async with listening(door, "b1", other.id) as stream:
        assert len((await stream.next()).data["images"]) == 2


async def test_a_client_that_can_not_set_headers_resumes_by_its_address(door: Door) -> None:
    await door.peer.says(reserved(), stored(0))
    async with listening(door, "b1") as stream:
        last = (await stream.next()).id
    await door.peer.says(stored(1))
    answer = await door.areg.get("/v1/batches/b1/events", params={"last_event_id": last})
    assert [line for line in answer.text.splitlines() if line.startswith("event")] == [
        "event: status",
        "event: output",
        "event: completed",
    ]
    # What a browser says by itself is newer than the address it was given.
    end = answer.text.rpartition("id: ")[2].strip()
    again = await door.areg.get(
        "/v1/batches/b1/events", params={"last_event_id": last}, headers={"Last-Event-ID": end}
    )
    assert again.status_code == 204


async def test_live_steps_are_told_to_whoever_comes_back(door: Door) -> None:
    event = reserved()
    await door.peer.says(event)
    async with listening(door, "b1") as stream:
        last = (await stream.next()).id
    await door.peer.says(peer.progress(event, 1, stage="running", step=3, steps=30))
    async with listening(door, "b1", last) as stream:
        assert (await stream.until("progress")).data["step"] == 3


async def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        await door.peer.says(reserved(), stored(0))
        async with listening(door, "b1") as stream:
            last = (await stream.next()).id
        await door.peer.says(stored(1))
    async with opened(tmp_path) as door:
        told = await told_from(door, last)
        assert [event.name for event in told] == ["status", "output", "completed"]


@asynccontextmanager
async def replicas(tmp_path: Path, database_url: str) -> AsyncIterator[tuple[Door, Door]]:
    """Two gateways on one database, neither of which hears the other's hints."""
    async with (
        opened(tmp_path, DATABASE_URL=database_url) as one,
        opened(tmp_path, DATABASE_URL=database_url) as other,
    ):
        yield one, other


async def test_a_replica_tells_what_another_has_heard_though_the_hint_is_lost(
    tmp_path: Path, database_url: str
) -> None:
    async with replicas(tmp_path, database_url) as (one, other):
        await one.peer.says(reserved())
        async with listening(other, "b1") as stream:
            await stream.next()
            for ordinal in (1, 0):
                began = monotonic()
                await one.peer.says(stored(ordinal))
                assert (await stream.until("output")).data["ordinal"] == ordinal
                # One look a second, and a slow machine.
                assert monotonic() - began < 5
            assert (await stream.next()).name == "completed"


async def test_a_replica_tells_at_once_what_it_is_hinted_at(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_watch, "LOOK", 3600.0)
    async with replicas(tmp_path, database_url) as (one, other):
        await one.peer.says(reserved())
        async with listening(other, "b1") as stream:
            await stream.next()
            await one.peer.says(stored(1))
            await other.peer.says(ChangesLogged(batch_id="b1"))
            assert (await stream.until("output")).data["ordinal"] == 1


async def test_a_client_that_changes_replicas_at_every_event_misses_nothing(
    tmp_path: Path, database_url: str
) -> None:
    async with replicas(tmp_path, database_url) as doors:
        await doors[0].peer.says(STORY[0])
        known: dict[str, object] = {}
        last: str | None = None
        for turn, message in enumerate(STORY[1:]):
            hears, listens = doors[turn % 2], doors[1 - turn % 2]
            async with listening(listens, "b1", last) as stream:
                await stream.next()
                await hears.peer.says(message)
                await stream.until("output")
            known = believed(stream.heard, known)
            last = next(event.id for event in reversed(stream.heard) if event.id)
        assert believed(await told_from(doors[0], last), known) == await present(doors[1])
