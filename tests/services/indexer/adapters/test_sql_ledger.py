"""The rules of reserving and reassigning, on SQLite and PostgreSQL."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from services.indexer.adapters.sql_ledger import SqlLedger
from services.indexer.adapters.tables import COUNTERS
from services.indexer.domain import Move, Reservation
from tests.services.indexer.ledgers import (
    FOLDERS,
    OPAL,
    assert_contiguous,
    claims,
    counters,
    many_wishes,
    opened,
    opened_database,
    wish,
)

DISTINCT_TRANSACTIONS = text("SELECT count(DISTINCT xmin::text) FROM reservations")
#: Of all that a reservation writes; counters that were opened and never used are not of it.
EVERY_TRANSACTION = text(
    "SELECT count(DISTINCT x) FROM (SELECT xmin::text AS x FROM reservations UNION ALL "
    "SELECT xmin::text FROM claims UNION ALL SELECT xmin::text FROM counters WHERE next_index > 1) AS every"
)


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[SqlLedger]:
    async with opened(database_url, [OPAL, *FOLDERS]) as ledger:
        yield ledger


@contextmanager
def counted(name: str) -> Iterator[list[str]]:
    """What happened on any engine meanwhile: statements for `before_cursor_execute`, else one entry each."""
    seen: list[str] = []

    def saw(*details: Any) -> None:
        seen.append(str(details[2]) if len(details) > 2 else name)

    event.listen(Engine, name, saw)
    try:
        yield seen
    finally:
        event.remove(Engine, name, saw)


async def reserved(ledger: SqlLedger, *arguments: Any, **options: Any) -> Reservation:
    block = await ledger.reserve(wish(*arguments, **options))
    assert block is not None
    return block


async def test_blocks_of_one_folder_follow_each_other(ledger: SqlLedger) -> None:
    blocks = [await reserved(ledger, f"b{n}", n) for n in (3, 1, 8)]
    assert [(block.first, block.next_index) for block in blocks] == [(1, 4), (4, 5), (5, 13)]


async def test_each_folder_counts_for_itself(ledger: SqlLedger) -> None:
    await reserved(ledger, "one", 5, FOLDERS[0])
    assert (await reserved(ledger, "two", 5, FOLDERS[1])).first == 1


async def test_reserve_a_batch_seen_before_gets_its_stored_block_again(ledger: SqlLedger) -> None:
    first = await reserved(ledger, "b1", 4, padding=4)
    await reserved(ledger, "b2", 4)
    assert await reserved(ledger, "b1", 4, padding=0) == first
    assert (await reserved(ledger, "b3")).first == 9


async def test_what_is_stored_is_found_by_the_batch_id(ledger: SqlLedger) -> None:
    block = await reserved(ledger, "b1", 4, padding=3)
    assert await ledger.find("b1") == block
    assert await ledger.find("b2") is None


async def test_other_content_under_a_known_id_gets_the_block_of_the_first(ledger: SqlLedger) -> None:
    first = await reserved(ledger, "b1", 4, digest="a" * 64)
    assert await reserved(ledger, "b1", 2, FOLDERS[0], digest="b" * 64) == first
    assert (await reserved(ledger, "b2", 1, FOLDERS[0])).first == 1


async def test_one_id_several_times_in_one_group_is_one_block(ledger: SqlLedger) -> None:
    group = [wish("b1", 2), wish("b2", 3), wish("b1", 2), wish("b1", 7, digest="b" * 64), wish("b3")]
    blocks = await asyncio.gather(*map(ledger.reserve, group))
    assert [(block.first, block.digest[0]) for block in blocks if block] == [
        (1, "a"),
        (3, "a"),
        (1, "a"),
        (1, "a"),
        (6, "a"),
    ]


async def test_a_folder_without_counter_gets_no_block_and_spoils_no_group(
    ledger: SqlLedger, database_url: str
) -> None:
    unknown = "Areg/characters/unknown/images"
    blocks = await asyncio.gather(*map(ledger.reserve, [wish("b1", 2, unknown), wish("b2", 2)]))
    assert blocks[0] is None
    assert blocks[1] is not None
    async with opened_database(database_url) as database:
        assert unknown not in await counters(database)
        assert await claims(database) == 1


async def test_200_batches_through_several_ledgers_are_contiguous_and_the_same_when_sent_again(
    database_url: str,
) -> None:
    wishes = many_wishes()
    async with AsyncExitStack() as stack:
        ledgers = [await stack.enter_async_context(opened(database_url, FOLDERS)) for _ in range(4)]
        blocks = await asyncio.gather(*(random.choice(ledgers).reserve(wish) for wish in wishes))
        once = [block for block in blocks if block]
        assert_contiguous(once, wishes)
        # Every replica is asked for every batch at the same time, each in an order of its own.
        for again in await asyncio.gather(*(_all(ledger, once) for ledger in ledgers)):
            assert again == {block.batch_id: block for block in once}


async def _all(ledger: SqlLedger, blocks: list[Reservation]) -> dict[str, Reservation]:
    shuffled = random.sample(blocks, len(blocks))
    answers = [ledger.reserve(wish(b.batch_id, b.quantity, b.folder)) for b in shuffled]
    return {answer.batch_id: answer for answer in await asyncio.gather(*answers) if answer}


async def test_overlapping_groups_of_several_replicas_neither_deadlock_nor_differ(database_url: str) -> None:
    wishes = many_wishes()
    async with AsyncExitStack() as stack:
        ledgers = [await stack.enter_async_context(opened(database_url, FOLDERS)) for _ in range(3)]
        everything = [
            ledger.reserve(wish) for ledger in ledgers for wish in random.sample(wishes, len(wishes))
        ]
        blocks = {block for block in await asyncio.gather(*everything) if block}
    assert len(blocks) == len(wishes)
    assert_contiguous(list(blocks), wishes)


async def commits(url: str, said: list[str]) -> int:
    """Transactions in which blocks were reserved. PostgreSQL writes its transaction onto every row; on SQLite
    `said`, what was heard of commits, is counted."""
    async with opened_database(url) as database, database.read() as connection:
        if not database.is_postgresql:
            return len(said)
        return int((await connection.execute(DISTINCT_TRANSACTIONS)).scalar_one())


async def test_waiting_batches_share_one_commit(ledger: SqlLedger, database_url: str) -> None:
    with counted("commit") as said, counted("before_cursor_execute") as statements:
        await asyncio.gather(*map(ledger.reserve, many_wishes()))
    assert await commits(database_url, said) == 1
    assert len([each for each in statements if "INSERT INTO reservations" in each]) == 1


async def test_the_claims_the_counter_and_the_blocks_of_a_group_are_of_one_commit(postgres_url: str) -> None:
    async with opened(postgres_url, FOLDERS) as ledger:
        await asyncio.gather(*map(ledger.reserve, many_wishes()))
    async with opened_database(postgres_url) as database, database.read() as connection:
        assert (await connection.execute(EVERY_TRANSACTION)).scalar_one() == 1


async def test_a_group_has_at_most_200_batches(ledger: SqlLedger, database_url: str) -> None:
    with counted("commit") as said:
        await asyncio.gather(*(ledger.reserve(wish(f"b{n}")) for n in range(450)))
    assert await commits(database_url, said) == 3


async def test_a_batch_that_the_database_refuses_fails_alone(ledger: SqlLedger, database_url: str) -> None:
    await reserved(ledger, "b1", 4)
    async with opened_database(database_url) as database, database.begin() as connection:
        await connection.execute(update(COUNTERS).where(COUNTERS.c.folder == OPAL).values(next_index=1))
    group = [wish("b2", 4), wish("b3", 4, FOLDERS[0])]
    refused, other = await asyncio.gather(*map(ledger.reserve, group), return_exceptions=True)
    assert isinstance(refused, IntegrityError)
    assert isinstance(other, Reservation)
    assert await ledger.find("b2") is None


async def test_a_cancelled_caller_harms_nobody_in_its_group(ledger: SqlLedger) -> None:
    callers = [asyncio.create_task(ledger.reserve(wish(f"b{n}"))) for n in range(3)]
    await asyncio.sleep(0)
    callers[0].cancel()
    blocks = await asyncio.gather(*callers, return_exceptions=True)
    assert [isinstance(block, Reservation) for block in blocks] == [False, True, True]
    assert (await reserved(ledger, "b0")).first == 1


async def test_a_moved_image_gets_the_next_number_behind_what_was_found(ledger: SqlLedger) -> None:
    await reserved(ledger, "b1", 4)
    move = await ledger.reassign(Move("b1", 2, 3, OPAL, floor=3))
    assert (move.new_index, move.next_index) == (5, 6)
    move = await ledger.reassign(Move("b1", 3, 4, OPAL, floor=40))
    assert (move.new_index, move.next_index) == (40, 41)
    assert (await reserved(ledger, "b2")).first == 41


async def test_a_move_asked_again_is_the_stored_one_whatever_is_found_now(ledger: SqlLedger) -> None:
    await reserved(ledger, "b1", 4)
    moves = await asyncio.gather(*(ledger.reassign(Move("b1", 2, 3, OPAL, floor)) for floor in (5, 9, 20)))
    assert len(set(moves)) == 1
    assert await ledger.reassignments("b1", 2) == [moves[0]]
    assert await ledger.reassignments("b1", 1) == []


async def test_a_moved_image_can_be_moved_again(ledger: SqlLedger) -> None:
    await reserved(ledger, "b1", 4)
    first = await ledger.reassign(Move("b1", 0, 1, OPAL, 2))
    second = await ledger.reassign(Move("b1", 0, first.new_index, OPAL, 2))
    assert await ledger.reassignments("b1", 0) == [first, second]
    assert second.new_index == 6


async def test_a_move_in_a_folder_whose_counter_was_lost_begins_behind_what_was_found(
    ledger: SqlLedger,
) -> None:
    move = await ledger.reassign(Move("b1", 0, 1, "Areg/characters/lost/images", floor=12))
    assert move.new_index == 12


async def test_moves_and_blocks_at_the_same_time_never_share_a_number(database_url: str) -> None:
    async with opened(database_url, [OPAL]) as one, opened(database_url) as other:
        await reserved(one, "b0", 20)
        moves = [other.reassign(Move("b0", n, n + 1, OPAL, n + 2)) for n in range(20)]
        blocks = [one.reserve(wish(f"b{n}", 3)) for n in range(1, 20)]
        moved, made = await asyncio.gather(asyncio.gather(*moves), asyncio.gather(*blocks))
    handed = [move.new_index for move in moved]
    handed += [n for block in made if block for n in range(block.first, block.next_index)]
    assert sorted(handed) == list(range(21, 21 + 20 + 57))
