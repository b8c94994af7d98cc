"""Batches that are asked for at the same time share a commit, and each gets its own answer."""

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from chassis.database import Database
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_outbox import SqlOutbox
from services.gateway.adapters.tables import CHANGES
from services.gateway.domain.batches import Batch
from services.gateway.domain.limits import Limits
from services.gateway.ports import OtherContent, TooMuch
from tests.services.gateway.events import request

NOW = 1_000_000.0


def together(database: Database, limits: Limits | None = None) -> SqlBatches:
    """Keeps the time, so that whoever is counted was counted in the same minute."""
    return SqlBatches(database, lambda: NOW, limits or Limits(images_per_user=10))


async def answers(batches: SqlBatches, *asked: tuple[str, str, int]) -> Sequence[Batch | BaseException]:
    """To these batches of these users, of so many images, asked for at once."""
    wishes = [batches.accept(request(name, quantity, username=user)) for name, user, quantity in asked]
    return await asyncio.gather(*wishes, return_exceptions=True)


def groups() -> float:
    """Commits until now."""
    return REGISTRY.get_sample_value("darkroom_accept_group_count") or 0.0


async def changes(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(CHANGES))).scalar_one())


async def test_what_is_asked_for_together_is_kept_in_one_commit(database: Database) -> None:
    before = groups()
    batches = together(database)
    made = await answers(batches, *((f"b{n}", f"user{n}", 2) for n in range(8)))
    assert all(isinstance(batch, Batch) and batch.fresh for batch in made)
    assert groups() == before + 1
    sent = await SqlOutbox(database).due(NOW, 100)
    assert sorted(each.id for each in sent) == sorted(str(request(f"b{n}").id()) for n in range(8))
    assert await changes(database) == 8


async def test_one_group_does_not_pass_a_limit_that_each_of_it_keeps(database: Database) -> None:
    made = await answers(together(database), ("b1", "Areg", 6), ("b2", "Areg", 6), ("b3", "Areg", 4))
    assert [type(answer) for answer in made] == [Batch, TooMuch, Batch]


async def test_in_one_group_the_excess_of_one_is_nothing_to_the_others(database: Database) -> None:
    made = await answers(together(database), ("b1", "Areg", 11), ("b2", "Nare", 10), ("b3", "Mara", 10))
    assert [type(answer) for answer in made] == [TooMuch, Batch, Batch]


async def test_one_group_does_not_pass_the_limit_of_all(database: Database) -> None:
    batches = together(database, Limits(images_in_all=10))
    made = await answers(batches, ("b1", "Areg", 6), ("b2", "Nare", 6), ("b3", "Mara", 4))
    assert [type(answer) for answer in made] == [Batch, TooMuch, Batch]


async def test_the_same_batch_twice_in_one_group_is_made_once(database: Database) -> None:
    first, second, other = await answers(together(database), *[("b1", "Areg", 2)] * 2, ("b1", "Areg", 3))
    assert first == second
    assert isinstance(first, Batch)
    assert isinstance(second, Batch)
    assert (first.fresh, second.fresh) == (True, False)
    assert isinstance(other, OtherContent)
    assert await changes(database) == 1


async def test_what_the_database_refuses_is_refused_alone(postgres: Database) -> None:
    """Its column holds 128 letters."""
    made = await answers(together(postgres), ("b1", "Areg", 1), ("b2", "N" * 200, 1), ("b3", "Mara", 1))
    assert [type(answer) for answer in made if isinstance(answer, Batch)] == [Batch, Batch]
    assert isinstance(made[1], DBAPIError)
    assert await changes(postgres) == 2


@pytest.mark.parametrize("limit", [None, 10])
async def test_two_replicas_that_accept_the_same_batches_at_once_agree(
    postgres: Database, limit: int | None
) -> None:
    replicas = [together(postgres, Limits(images_per_user=limit)) for _ in range(2)]
    for turn in range(5):
        asked = [(f"{turn}-{n}", f"user{turn}{n}", 2) for n in range(4)]
        here, there = await asyncio.gather(answers(replicas[0], *asked), answers(replicas[1], *asked[::-1]))
        assert [isinstance(answer, Batch) for answer in (*here, *there)] == [True] * 8
        assert list(here) == list(there)[::-1]
    assert await changes(postgres) == 20
