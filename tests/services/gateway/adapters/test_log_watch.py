"""Whoever watches a batch is woken by what anybody logged, hint or not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from chassis.database import Database
from messaging.errors import Outage
from services.gateway.adapters import log_watch
from services.gateway.adapters.log_watch import LogWatch
from services.gateway.adapters.sql_changes import SqlChanges
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.stage import LiveStage
from tests.services.gateway.events import reserved


@asynccontextmanager
async def watching(log: SqlChanges) -> AsyncIterator[LiveStage]:
    """As `open_gateway` has it: what was logged before the start is nobody's news."""
    stage = LiveStage()
    task = asyncio.create_task(LogWatch(log, stage, await log.newest()).run())
    try:
        yield stage
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_watch, "LOOK", 0.01)


async def woken(stage: LiveStage, batch_id: str) -> None:
    async with asyncio.timeout(20):
        with stage.watching(batch_id) as (watcher, _):
            while not watcher.changed():
                await watcher.news(20)


async def test_a_change_without_a_hint_wakes_whoever_watches_its_batch(sqlite: Database) -> None:
    gallery = SqlGallery(sqlite)
    await gallery.reserved(reserved("old"))
    async with watching(SqlChanges(sqlite)) as stage:
        with stage.watching("b2") as (other, _), stage.watching("old") as (old, _):
            waiting = asyncio.create_task(woken(stage, "b1"))
            await asyncio.sleep(0)
            await gallery.reserved(reserved("b1"))
            await waiting
            assert not other.changed()
            assert not old.changed()


class Troubled(SqlChanges):
    """Can't be asked the first few times."""

    troubles = 3

    async def grown(self, change: int) -> tuple[int, Sequence[str]]:
        if self.troubles:
            self.troubles -= 1
            raise Outage("database: away")
        return await super().grown(change)


async def test_a_look_that_fails_is_made_up_for_by_the_next(sqlite: Database) -> None:
    log = Troubled(sqlite)
    async with watching(log) as stage:
        await SqlGallery(sqlite).reserved(reserved("b1"))
        await woken(stage, "b1")
    assert log.troubles == 0
