"""Limits are kept across replicas, on SQLite and PostgreSQL."""

import asyncio

import pytest

from chassis.database import Database
from services.gateway.adapters.load import Backlog
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.tables import BATCHES
from services.gateway.domain.limits import Limits
from services.gateway.ports import TooMuch
from tests.journeys.waiting import until
from tests.services.gateway.databases import opened, rows
from tests.services.gateway.events import failed, rejected, request, reserved, stored
from tests.services.gateway.readings import tell

NOW = 1000.0
TEN = Limits(images_per_user=10)


def at(database: Database, limits: Limits, now: float = NOW) -> SqlBatches:
    return SqlBatches(database, lambda: now, limits)


async def test_images_that_ended_make_room(database: Database) -> None:
    batches = at(database, TEN)
    await batches.accept(request("b1", 6))
    await tell(SqlGallery(database), reserved("b1", 6), *(stored(n) for n in range(3)), failed(3))
    await batches.accept(request("b2", 8))
    with pytest.raises(TooMuch) as refused:
        await batches.accept(request("b3", 1))
    assert (refused.value.excess.code, refused.value.excess.left) == ("too_many_images", 0)
    await tell(SqlGallery(database), rejected("b2"))
    await batches.accept(request("b3", 8))


async def test_what_was_refused_left_nothing(database: Database) -> None:
    with pytest.raises(TooMuch):
        await at(database, TEN).accept(request("b1", 11))
    assert await rows(database, BATCHES) == []


async def test_what_was_accepted_before_is_not_refused_when_asked_again(database: Database) -> None:
    batches = at(database, TEN)
    known = await batches.accept(request("b1", 10))
    assert await batches.accept(request("b1", 10)) == known


async def test_somebody_elses_images_are_none_of_ones_own(database: Database) -> None:
    batches = at(database, TEN)
    await batches.accept(request("b1", 10))
    await batches.accept(request("b2", 10, username="Nare"))


async def test_a_retry_needs_room_too(database: Database) -> None:
    batches = at(database, TEN)
    await batches.accept(request("b1", 2))
    await tell(SqlGallery(database), reserved("b1"), failed(0), failed(1))
    await batches.accept(request("b2", 9))
    with pytest.raises(TooMuch):
        await batches.retry("b1", None)
    assert await batches.retry("b1", [1]) == 1


async def test_batches_of_a_minute_are_counted(database: Database) -> None:
    limits = Limits(batches_per_minute=2)
    await at(database, limits, NOW - 40).accept(request("b1"))
    await at(database, limits).accept(request("b2"))
    with pytest.raises(TooMuch) as refused:
        await at(database, limits).accept(request("b3"))
    assert (refused.value.excess.code, refused.value.excess.retry_after) == ("too_many_batches", 20)
    await at(database, limits, NOW + 20).accept(request("b3"))


async def test_everybodys_images_are_counted_also_what_was_just_asked_for(database: Database) -> None:
    batches = at(database, Limits(images_in_all=20))
    for number, username in enumerate(["Areg", "Nare"]):
        await batches.accept(request(f"b{number}", 9, username=username))
    with pytest.raises(TooMuch) as refused:
        await batches.accept(request("b3", 3, username="Mara"))
    assert refused.value.excess.code == "queue_full"


async def test_everybodys_images_are_counted_anew_while_nobody_waits_for_it(sqlite: Database) -> None:
    backlog = Backlog(sqlite)
    assert await backlog.depth() == 0
    await at(sqlite, Limits()).accept(request("b1", 9, username="Nare"))
    backlog.grown(2)
    assert await backlog.depth() == 2

    async def counted() -> bool:
        return await backlog.depth() == 9

    await until(counted)
    await backlog.aclose()


async def test_a_limit_is_kept_by_many_replicas_at_once(database: Database, database_url: str) -> None:
    async with opened(database_url) as other:
        replicas = [at(each, TEN) for each in (database, other)]
        asked = [replicas[n % 2].accept(request(f"b{n}", 3)) for n in range(12)]
        ends = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(end, TooMuch) for end in ends) == 9
    assert sum(row.quantity for row in await rows(database, BATCHES)) == 9
