"""The event log while several transactions write to it, on PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from chassis.database import Database
from services.gateway.adapters import change_log
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_gallery import SqlGallery
from tests.services.gateway.databases import changes, stuck
from tests.services.gateway.events import request, reserved
from tests.services.gateway.races import held, log_lock
from tests.services.gateway.readings import tell


async def test_ids_of_the_event_log_are_in_commit_order(postgres: Database, other: Database) -> None:
    async with postgres.begin() as connection:
        await change_log.append(connection, "slow", "x")
        fast = asyncio.create_task(tell(SqlGallery(other), reserved("fast")))
        await stuck(postgres, 1)
        assert await changes(postgres) == []
    await fast
    assert [batch_id for batch_id, _, _ in await changes(postgres)] == ["slow", "fast"]


def reserve(database: Database) -> Awaitable[object]:
    return tell(SqlGallery(database), reserved("late"))


def accept(database: Database) -> Awaitable[object]:
    return SqlBatches(database).accept(request("late"))


@pytest.mark.parametrize("work", [reserve, accept])
async def test_the_id_of_a_change_is_drawn_when_its_turn_has_come(
    postgres: Database, other: Database, work: Callable[[Database], Awaitable[object]]
) -> None:
    """The order of the commits is that of the turns, also for whoever began to wait before a change was
    put in."""
    turn = text("SELECT pg_advisory_xact_lock(hashtext('darkroom.gateway.changes'))")
    async with postgres.begin() as connection:
        await connection.execute(turn)
        waiting = asyncio.ensure_future(work(other))
        await stuck(postgres, 1)
        await change_log.append_all(connection, [("first", "x", {}), ("second", "x", {})])
    await waiting
    assert [batch_id for batch_id, _, _ in await changes(postgres)] == ["first", "second", "late"]


async def test_who_accepts_a_batch_has_its_row_before_he_waits_for_the_event_log(
    postgres: Database, other: Database
) -> None:
    """In the other order he would wait for whoever hears of the batch, and that one for him."""
    async with held(postgres, log_lock, 2):
        accepting = asyncio.create_task(SqlBatches(postgres).accept(request()))
        await stuck(postgres, 1)
        hearing = asyncio.create_task(tell(SqlGallery(other), reserved()))
    batch, _ = await asyncio.gather(accepting, hearing)
    assert batch.fresh
    assert [kind for _, kind, _ in await changes(postgres)] == ["x", "accepted", "reserved"]


async def test_a_reader_who_follows_the_event_log_misses_nothing(postgres: Database, other: Database) -> None:
    galleries = [SqlGallery(postgres), SqlGallery(other)]
    writing = asyncio.gather(
        *(tell(gallery, reserved(f"{n}-{m}")) for n, gallery in enumerate(galleries) for m in range(40))
    )
    followed: list[int] = []
    query = text("SELECT id FROM changes WHERE id > :last ORDER BY id")
    while len(followed) < 80:
        async with postgres.read() as connection:
            last = followed[-1] if followed else 0
            followed += (await connection.execute(query, {"last": last})).scalars()
        assert followed or not writing.done() or writing.result()
    await writing
    async with postgres.read() as connection:
        assert followed == list((await connection.execute(query, {"last": 0})).scalars())


async def test_a_change_that_is_rolled_back_is_not_logged(postgres: Database) -> None:
    async with postgres.begin() as connection:
        await change_log.append(connection, "b1", "x")
        await connection.rollback()
    assert await changes(postgres) == []
