"""Idempotency keys, on SQLite and PostgreSQL."""

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

from chassis.database import Database
from services.gateway.adapters.sql_keys import SqlKeys
from services.gateway.adapters.tables import KEYS
from services.gateway.domain.idempotency import LEASE, Answer, Busy, OtherBody, Proceed
from services.gateway.ports import KeyName
from tests.services.gateway.databases import opened, rows

NAME = KeyName("Areg", "askForBatch", "k1")
SAID = Answer(202, {"location": "/v1/batches/b1"}, '{"id": "b1"}')
DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(database: Database, clock: Clock) -> SqlKeys:
    return SqlKeys(database, DAY, clock)


async def test_the_first_call_proceeds_and_the_next_ones_get_its_answer(keys: SqlKeys) -> None:
    first = await keys.claim(NAME, "f")
    assert isinstance(first, Proceed)
    assert not first.resumed
    assert await keys.claim(NAME, "f") == Busy(int(LEASE))
    await keys.answered(NAME, SAID)
    assert await keys.claim(NAME, "f") == SAID
    assert isinstance(await keys.claim(NAME, "g"), OtherBody)


async def test_a_key_is_its_users_own_and_means_something_at_one_call(keys: SqlKeys) -> None:
    await keys.claim(NAME, "f")
    for other in (NAME._replace(username="Nare"), NAME._replace(call="registerCharacter")):
        assert isinstance(await keys.claim(other, "g"), Proceed)


async def test_a_call_whose_process_died_is_gone_on_with_and_makes_the_same(
    keys: SqlKeys, clock: Clock
) -> None:
    first = await keys.claim(NAME, "f")
    clock.now += LEASE
    again = await keys.claim(NAME, "f")
    assert isinstance(first, Proceed)
    assert again == Proceed(first.thing, resumed=True)
    assert isinstance(await keys.claim(NAME, "f"), Busy)


async def test_a_lease_goes_on_while_the_call_is_under_way(keys: SqlKeys, clock: Clock) -> None:
    await keys.claim(NAME, "f")
    clock.now += LEASE - 1
    await keys.extend(NAME)
    clock.now += LEASE - 1
    assert await keys.claim(NAME, "f") == Busy(1)


async def test_a_call_of_which_nobody_knows_what_came_stays_with_its_body(keys: SqlKeys) -> None:
    first = await keys.claim(NAME, "f")
    await keys.let_go(NAME)
    assert isinstance(await keys.claim(NAME, "g"), OtherBody)
    assert isinstance(first, Proceed)
    assert await keys.claim(NAME, "f") == Proceed(first.thing, resumed=True)


async def test_a_released_key_is_free_for_another_body(keys: SqlKeys) -> None:
    first = await keys.claim(NAME, "f")
    await keys.release(NAME)
    again = await keys.claim(NAME, "g")
    assert isinstance(first, Proceed)
    assert isinstance(again, Proceed)
    assert (again.resumed, again.thing == first.thing) == (False, False)


async def test_an_answer_is_not_taken_back(keys: SqlKeys) -> None:
    await keys.claim(NAME, "f")
    await keys.answered(NAME, SAID)
    await keys.release(NAME)
    assert await keys.claim(NAME, "f") == SAID


async def test_after_a_day_a_key_is_new_also_before_it_is_pruned(
    database: Database, keys: SqlKeys, clock: Clock
) -> None:
    first = await keys.claim(NAME, "f")
    await keys.answered(NAME, SAID)
    await keys.claim(NAME._replace(key="k2"), "f")
    clock.now += DAY - 1
    assert (await keys.prune(), await keys.claim(NAME, "f")) == (0, SAID)
    clock.now += 1
    again = await keys.claim(NAME, "g")
    assert isinstance(first, Proceed)
    assert isinstance(again, Proceed)
    assert (again.resumed, again.thing == first.thing) == (False, False)
    assert await keys.prune() == 1
    assert [row.key for row in await rows(database, KEYS)] == ["k1"]


async def test_of_many_replicas_one_proceeds(database: Database, database_url: str) -> None:
    async with opened(database_url) as other:
        both = [SqlKeys(each, DAY) for each in (database, other)]
        said = await asyncio.gather(*(keys.claim(NAME, "f") for keys in both * 6))
    assert sum(isinstance(each, Proceed) for each in said) == 1
    assert all(isinstance(each, Proceed | Busy) for each in said)


async def test_calls_at_once_have_one_first_for_each_key_and_each_its_own_answer(keys: SqlKeys) -> None:
    names = [NAME._replace(key=f"k{n}", username=user) for n in range(4) for user in ("Areg", "Nare")]
    claims = await asyncio.gather(*(keys.claim(name, "f") for name in [*names, *names]))
    assert [type(claim) for claim in claims] == [Proceed] * 8 + [Busy] * 8
    said = {name: Answer(202, {}, f"{name.username} {name.key}") for name in names}
    await asyncio.gather(*(keys.answered(name, said[name]) for name in reversed(names)))
    assert [await keys.claim(name, "f") for name in names] == list(said.values())
    await keys.aclose()


async def test_a_key_that_the_database_refuses_is_refused_alone(postgres: Database, clock: Clock) -> None:
    keys = SqlKeys(postgres, DAY, clock)
    names = [NAME._replace(username=user) for user in ("Areg", "N\0re", "Mara")]
    claims = await asyncio.gather(*(keys.claim(name, "f") for name in names), return_exceptions=True)
    assert [type(claim) for claim in claims if isinstance(claim, Proceed)] == [Proceed, Proceed]
    assert isinstance(claims[1], DBAPIError)
