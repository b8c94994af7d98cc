"""One stream, read as slowly as a test likes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from chassis.database import Database
from messaging.errors import Outage
from services.gateway import handlers
from services.gateway.adapters.http import event_stream, looks
from services.gateway.adapters.http.event_stream import EventStream
from services.gateway.adapters.http.frames import Frame
from services.gateway.adapters.http.orders import found
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_changes import SqlChanges
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.stage import LiveStage
from services.gateway.domain.batches import Batch
from services.gateway.domain.changes import Change
from services.gateway.domain.images import ImageState
from tests.services.gateway.events import reserved, stored


@dataclass(frozen=True)
class Behind:
    """What a stream is made from."""

    batches: SqlBatches
    changes: SqlChanges
    stage: LiveStage = field(default_factory=LiveStage)


class Story:
    """A batch of Areg's, and the stream of one client who takes an event when a test says so."""

    def __init__(
        self, database: Database, changes: SqlChanges | None = None, batches: SqlBatches | None = None
    ) -> None:
        self.desk = Behind(batches or SqlBatches(database), changes or SqlChanges(database))
        self._gallery = SqlGallery(database)

    async def begins(self, quantity: int) -> None:
        await self._gallery.reserved(reserved(quantity=quantity))

    async def lands(self, ordinal: int, **more: Any) -> None:
        await handlers.on_image_stored(stored(ordinal, **more), gallery=self._gallery)
        self.desk.stage.changed("b1")

    async def told(self) -> AsyncIterator[Frame]:
        with self.desk.stage.watching("b1") as (watcher, room):
            stream = EventStream(self.desk, await found(self.desk, "b1", "Areg"), watcher, room)
            await stream.opened()
            async for event in stream.events():
                yield event


async def take(told: AsyncIterator[Frame], last: Callable[[Frame], bool]) -> list[Any]:
    """Events up to the first of this kind."""
    taken: list[Frame] = []
    async with asyncio.timeout(20):
        while not (taken and last(taken[-1])):
            taken.append(await anext(told))
    return taken


def named(name: str) -> Callable[[Frame], bool]:
    return lambda event: event.event == name


async def test_what_changed_often_while_a_client_was_slow_is_told_once_as_it_is_now(sqlite: Database) -> None:
    story = Story(sqlite)
    await story.begins(3)
    told = story.told()
    await take(told, named("status"))
    for version in range(1, 6):
        await story.lands(0, version=version)
        await story.lands(1, version=version)
    taken = [*await take(told, named("output")), *await take(told, named("output"))]
    outputs = [json.loads(event.data) for event in taken if event.event == "output"]
    assert [(image["ordinal"], "/v5/" in image["url"]) for image in outputs] == [(0, True), (1, True)]
    await story.lands(2)
    rest = [event.event async for event in told]
    assert rest == ["status", "output", "completed"]


async def test_of_a_large_batch_a_slow_client_is_told_in_parts(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "GROUP", 4)
    story = Story(sqlite)
    await story.begins(10)
    told = story.told()
    await take(told, named("status"))
    for ordinal in range(10):
        await story.lands(ordinal)
    rest = [event async for event in told]
    assert [event.event for event in rest].count("output") == 10
    ids = [int(event.id) for event in rest if event.event == "output" and event.id]
    assert ids == sorted(ids)
    assert len(ids) == 10
    assert rest[-1].event == "completed"


class Away(SqlChanges):
    """Can't be asked for a while."""

    away = False

    async def after(self, batch_id: str, change: int, limit: int) -> Sequence[Change]:
        if self.away:
            self.away = False
            raise Outage("database: away")
        return await super().after(batch_id, change, limit)


async def test_a_stream_outlives_a_database_that_is_away(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "AGAIN", 0.01)
    changes = Away(sqlite)
    story = Story(sqlite, changes)
    await story.begins(1)
    told = story.told()
    await take(told, named("status"))
    changes.away = True
    await story.lands(0)
    assert [event.event async for event in told][-2:] == ["output", "completed"]
    assert not changes.away


class Lost(SqlBatches):
    """Batches can't be read for a while."""

    away = False

    async def find(self, batch_id: str, username: str) -> tuple[Batch, Sequence[ImageState]] | None:
        if self.away:
            self.away = False
            raise Outage("database: away")
        return await super().find(batch_id, username)


async def test_what_could_not_be_read_is_told_afterwards(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "AGAIN", 0.01)
    batches = Lost(sqlite)
    story = Story(sqlite, batches=batches)
    await story.begins(1)
    told = story.told()
    await take(told, named("status"))
    await batches.cancel("b1")
    batches.away = True
    story.desk.stage.changed("b1")
    (event,) = await take(told, named("status"))
    assert json.loads(event.data)["status"] == "canceling"
    assert not batches.away


async def test_a_retry_between_the_last_look_and_the_end_goes_on_with_the_stream(sqlite: Database) -> None:
    class Retried(SqlChanges):
        """The owner asks again at the very moment at which the stream has read everything."""

        async def after(self, batch_id: str, change: int, limit: int) -> Sequence[Change]:
            told = await super().after(batch_id, change, limit)
            if not told:
                await SqlBatches(sqlite).retry(batch_id, None)
            return told

    story = Story(sqlite, Retried(sqlite))
    await story.begins(1)
    await story.lands(0, placeholder=True)
    told = story.told()
    taken = await take(told, lambda event: '"round":2' in event.data)
    assert not any(event.event == "completed" for event in taken)
    await story.lands(0, round_=2)
    rest = [event async for event in told]
    assert [event.event for event in rest][-1] == "completed"
    assert json.loads(rest[-1].data)["status"] == "succeeded"
