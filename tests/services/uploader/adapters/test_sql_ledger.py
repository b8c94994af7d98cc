"""The asset ledger's transactions: who shares them, and what one of them sees of the others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from contracts.events import Found, ImageReady
from messaging.errors import Later
from services.uploader.domain import claims
from services.uploader.domain.rows import Row, State
from services.uploader.domain.steps import Say, Store
from tests.services.uploader.stage import Replica, Stage, picture, ready, replica, until


@pytest.fixture
async def one(each_stage: Stage) -> AsyncIterator[Replica]:
    async with replica(each_stage) as opened:
        yield opened


@pytest.fixture
def opened(one: Replica, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the ledger opens at the database."""
    seen: list[str] = []

    def counted(name: str) -> Callable[[], Any]:
        opens = getattr(one.database, name)

        def open_() -> Any:
            seen.append(name)
            return opens()

        return open_

    for name in ("begin", "read"):
        monkeypatch.setattr(one.database, name, counted(name))
    return seen


async def claimed(uploader: Replica, message: ImageReady) -> Store:
    step = await uploader.ledger.decide(message, claims.for_image)
    assert isinstance(step, Store)
    return step


def stored(claim: Store) -> Row:
    return replace(claim.row, state=State.STORED, asset_id="a").freed()


def taken(claim: Store) -> Row:
    found = Found(public_id=claim.row.place.public_id)
    return replace(claim.row, state=State.TAKEN, found=found).freed()


async def test_images_that_end_and_images_that_begin_share_one_transaction(
    one: Replica, opened: list[str]
) -> None:
    ending = [await claimed(one, ready(picture(n), ordinal=n)) for n in range(4)]
    opened.clear()
    first = asyncio.create_task(claimed(one, ready(picture(9), ordinal=9)))
    await until(lambda: bool(opened))
    await asyncio.gather(
        first,
        *(one.ledger.keep(claim, stored(claim)) for claim in ending),
        *(claimed(one, ready(picture(n), ordinal=n)) for n in range(4, 8)),
    )
    assert opened == ["begin", "begin"]
    rows = await one.ledger.rows([("b1", n) for n in range(8)])
    assert [rows["b1", n].state for n in range(8)] == [State.STORED] * 4 + [State.CLAIMED] * 4


async def test_a_name_that_is_given_up_is_free_for_whoever_decides_in_the_same_transaction(
    one: Replica,
) -> None:
    loser = await claimed(one, ready(picture(1), ordinal=0, index=7))
    _, step = await asyncio.gather(
        one.ledger.keep(loser, taken(loser)),
        one.ledger.decide(ready(picture(2), batch_id="b2", ordinal=0, index=7), claims.for_image),
    )
    assert isinstance(step, Store)
    rows = await one.ledger.rows([("b1", 0), ("b2", 0)])
    assert [rows[key].state for key in sorted(rows)] == [State.TAKEN, State.CLAIMED]


async def test_a_row_of_a_lost_lease_is_not_written_and_holds_nobody_up(one: Replica) -> None:
    lost, kept = [await claimed(one, ready(picture(n), ordinal=n)) for n in range(2)]
    lost = replace(lost, row=replace(lost.row, lease="somebody else's"))
    said = await asyncio.gather(
        *(one.ledger.keep(claim, stored(claim)) for claim in (lost, kept)), return_exceptions=True
    )
    assert isinstance(said[0], Later)
    assert said[1] is None
    rows = await one.ledger.rows([("b1", 0), ("b1", 1)])
    assert [rows["b1", n].state for n in range(2)] == [State.CLAIMED, State.STORED]


async def test_whoever_decides_beside_the_end_of_the_same_image_sees_that_end(one: Replica) -> None:
    message = ready(picture(1))
    claim = await claimed(one, message)
    _, step = await asyncio.gather(
        one.ledger.keep(claim, stored(claim)), one.ledger.decide(message, claims.for_image)
    )
    assert isinstance(step, Say)


async def test_the_bytes_of_an_image_that_was_stored_here_are_spent_without_a_look_at_the_database(
    one: Replica, opened: list[str]
) -> None:
    message, other = ready(picture(1)), ready(picture(2))
    claim = await claimed(one, message)
    await one.ledger.keep(claim, stored(claim))
    opened.clear()
    assert await one.ledger.is_spent(message)
    assert opened == []
    assert not await one.ledger.is_spent(other)
    assert opened == ["read"]


async def test_the_bytes_of_an_image_that_another_replica_stored_are_spent_too(each_stage: Stage) -> None:
    async with replica(each_stage) as one, replica(each_stage) as two:
        message = ready(picture(1))
        claim = await claimed(one, message)
        assert not await two.ledger.is_spent(message)
        await one.ledger.keep(claim, stored(claim))
        assert await two.ledger.is_spent(message)


async def test_all_leases_are_renewed_together(each_stage: Stage) -> None:
    async with replica(each_stage, lease=1) as one, replica(each_stage) as two:
        messages = [ready(picture(n), ordinal=n) for n in range(3)]
        claims_ = [await claimed(one, message) for message in messages]

        async def hold(claim: Store, end: asyncio.Event) -> None:
            async with one.ledger.holding(claim):
                await end.wait()
                await one.ledger.keep(claim, stored(claim))

        end = asyncio.Event()
        holding = [asyncio.create_task(hold(claim, end)) for claim in claims_]
        await asyncio.sleep(1.2)
        for message in messages:
            with pytest.raises(Later):
                await two.ledger.decide(message, claims.for_image)
        end.set()
        await asyncio.gather(*holding)
