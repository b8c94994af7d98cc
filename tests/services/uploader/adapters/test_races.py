"""What a change to the ledger sees of another transaction that is still under way when it begins:
on PostgreSQL, where transactions run beside each other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, event, insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ImageDeleted, ImageReady, IndexTaken
from messaging.errors import Later
from services.uploader.adapters.names import lock_names
from services.uploader.adapters.rows import columns
from services.uploader.adapters.tables import ASSETS, GRAVES
from services.uploader.domain import claims
from services.uploader.domain.rows import Place, Row, State
from services.uploader.domain.steps import Say, Store
from tests.services.uploader.stage import (
    FOLDER,
    Replica,
    Stage,
    name,
    picture,
    public_id,
    ready,
    reassigned,
    replica,
    reserved,
    until_true,
)

T = TypeVar("T")
Act = Callable[[AsyncConnection], Awaitable[object]]

_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
_ROW = (ASSETS.c.batch_id == "b1", ASSETS.c.ordinal == 0)


@pytest.fixture
async def one(stage: Stage, postgres_url: str) -> AsyncIterator[Replica]:
    async with replica(Stage(stage.url, stage.blobs, postgres_url)) as opened:
        yield opened


@asynccontextmanager
async def beside(uploader: Replica, act: Act) -> AsyncIterator[Callable[[Awaitable[T]], Awaitable[T]]]:
    """Another transaction has done this and ends once what is waited for in the block waits for it."""
    async with uploader.database.begin() as other:
        await act(other)

        async def behind(work: Awaitable[T]) -> T:
            working = asyncio.ensure_future(work)
            await until_true(lambda: _waiting(uploader))
            await other.commit()
            return await working

        yield behind


async def _waiting(uploader: Replica) -> bool:
    async with uploader.database.read() as connection:
        return bool(await connection.scalar(_WAITING))


@contextmanager
def statements() -> Iterator[list[str]]:
    said: list[str] = []

    def listen(*told: Any) -> None:
        said.append(told[2])

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield said
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


async def claimed(uploader: Replica, message: ImageReady) -> Store:
    step = await uploader.ledger.decide(message, claims.for_image)
    assert isinstance(step, Store)
    return step


def stored(claim: Store) -> Row:
    return replace(claim.row, state=State.STORED, asset_id="a").freed()


async def of_another_image(connection: AsyncConnection, index: int) -> None:
    """Another replica gives the name to an image of its own."""
    place = Place(FOLDER, name(index), index)
    row = Row("b2", 0, 1, place, md5="of the other", lease="of the other", lease_until=1e12)
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:n, 0))"), {"n": public_id(index)}
    )
    await connection.execute(insert(ASSETS), columns(row, 0.0))


async def test_an_end_that_meets_a_renewal_of_its_lease_is_written(one: Replica) -> None:
    claim = await claimed(one, ready(picture(1)))
    renewal = update(ASSETS).where(*_ROW).values(lease_until=5e9)
    async with beside(one, lambda other: other.execute(renewal)) as behind:
        await behind(one.ledger.keep(claim, stored(claim)))
    row = await one.ledger.find("b1", 0)
    assert row is not None
    assert (row.state, row.lease, row.lease_until) == (State.STORED, None, 0.0)


async def test_a_row_that_is_kept_under_its_lease_has_it_renewed(one: Replica) -> None:
    claim = await claimed(one, ready(picture(1)))
    aged = replace(claim.row, placeholder_md5s=("drawn",), lease_until=1.0)
    await one.ledger.keep(claim, aged)
    row = await one.ledger.find("b1", 0)
    assert row is not None
    assert (row.lease, row.placeholder_md5s) == (claim.row.lease, ("drawn",))
    assert row.lease_until >= claim.row.lease_until


@pytest.mark.parametrize("lease", [None, "somebody else's"])
async def test_an_end_whose_lease_is_just_being_lost_is_not_written(one: Replica, lease: str | None) -> None:
    lost, kept = [await claimed(one, ready(picture(n), ordinal=n)) for n in range(2)]
    theft = update(ASSETS).where(*_ROW).values(lease=lease, lease_until=0.0)
    async with beside(one, lambda other: other.execute(theft)) as behind:
        both = (one.ledger.keep(claim, stored(claim)) for claim in (lost, kept))
        said = await behind(asyncio.gather(*both, return_exceptions=True))
    assert [type(answer) for answer in said] == [Later, type(None)]
    rows = await one.ledger.rows([("b1", 0), ("b1", 1)])
    assert [(rows["b1", n].state, rows["b1", n].lease) for n in range(2)] == [
        (State.CLAIMED, lease),
        (State.STORED, None),
    ]


async def test_a_grave_that_is_just_being_dug_is_seen(one: Replica) -> None:
    async def bury(other: AsyncConnection) -> None:
        await lock_names(one.database, other, [public_id(7)])
        await other.execute(insert(GRAVES), {"public_id": public_id(7), "deleted_at": 1.0})

    async with beside(one, bury) as behind:
        step = await behind(one.ledger.decide(ready(picture(1)), claims.for_image))
    assert step == Say((ImageDeleted(public_id=public_id(7)),))


async def test_a_name_that_another_is_just_getting_is_taken(one: Replica) -> None:
    async with beside(one, lambda other: of_another_image(other, 7)) as behind:
        step = await behind(one.ledger.decide(ready(picture(1)), claims.for_image))
    assert isinstance(step, Say)
    (said,) = step.messages
    assert isinstance(said, IndexTaken)
    assert said.found.md5 == "of the other"


async def test_a_new_number_that_another_is_just_getting_is_taken_too(one: Replica) -> None:
    """The message does not tell the name that an image moves to."""
    claim = await claimed(one, ready(picture(1)))
    await one.ledger.keep(claim, replace(claim.row, state=State.TAKEN).freed())
    async with beside(one, lambda other: of_another_image(other, 12)) as behind:
        step = await behind(one.ledger.decide(reassigned(7, 12), claims.for_new_number))
    assert isinstance(step, Say)
    (said,) = step.messages
    assert isinstance(said, IndexTaken)
    assert (said.index, said.found.md5) == (12, "of the other")


async def test_an_image_that_another_replica_is_just_claiming_is_waited_for(one: Replica) -> None:
    async def claim(other: AsyncConnection) -> None:
        await of_another_image(other, 7)
        await other.execute(update(ASSETS).values(batch_id="b1"))

    async with beside(one, claim) as behind:
        with pytest.raises(Later, match="worked on"):
            await behind(one.ledger.decide(ready(picture(1)), claims.for_image))


async def test_the_way_of_one_image_is_a_turn_a_look_and_a_write_then_one_statement_at_its_end(
    one: Replica,
) -> None:
    with statements() as said:
        await one.hear(reserved())
    assert len(said) == 1
    with statements() as said:
        claim = await claimed(one, ready(picture(1)))
    assert [words.split()[0] for words in said] == ["SELECT", "WITH", "INSERT"]
    with statements() as said:
        await one.ledger.keep(claim, stored(claim))
    assert len(said) == 1


async def test_a_batch_that_could_not_be_kept_is_not_remembered(one: Replica) -> None:
    async with one.database.begin() as connection:
        await connection.execute(text("ALTER TABLE folders RENAME TO gone"))
    with pytest.raises(Exception, match="folders"):
        await one.hear(reserved())
    assert (await one.ledger.known("b1", 0)).batch is None
