"""Claims under a lease, on both databases: exact, fair, and cheap however much waits."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event, insert, text
from sqlalchemy.engine import Engine

from contracts.commands import Character
from services.renderer.adapters import memory, standing
from services.renderer.adapters.queues import Lanes
from services.renderer.adapters.rows import batch_values, waiting_values
from services.renderer.adapters.strays import SqlStrays
from services.renderer.adapters.tables import batches, jobs
from services.renderer.domain.dispatch import Offer
from services.renderer.domain.jobs import Batch, Job, Key
from services.renderer.domain.troubles import Again
from tests.services.renderer.books import LEASE, Book, opened, replica, statements
from tests.services.renderer.requests import reserved

ONE, TWO = Offer("one", 2), Offer("two", 2)


@pytest.fixture
async def book(database_url: str) -> AsyncIterator[Book]:
    async with opened(database_url) as made:
        yield made


async def test_a_claim_fills_the_free_slots_and_no_more(book: Book) -> None:
    await book.intake.accept(reserved(quantity=10))
    assert Counter(job.backend for job in await book.claim(ONE, TWO)) == {"one": 2, "two": 2}
    assert await book.claim(ONE, TWO) == []


async def test_a_slot_is_free_again_when_its_image_has_ended(book: Book) -> None:
    await book.intake.accept(reserved(quantity=5))
    first, *_ = await book.claim(ONE)
    await book.finish(first)
    assert [job.key.ordinal for job in await book.claim(ONE)] == [2]


async def test_a_claimed_row_holds_the_remote_id_before_it_is_sent(book: Book) -> None:
    await book.intake.accept(reserved())
    (job,) = await book.claim(ONE)
    book.clock.now += LEASE
    (again,) = await book.claim(ONE)
    assert (job.fresh, again.fresh) == (True, False)
    assert again.remote_id == job.remote_id != ""


async def test_replicas_never_exceed_a_depth_nor_claim_a_row_twice(book: Book) -> None:
    await book.intake.accept(reserved(quantity=60))
    crews = [replica(book.database, book.clock, f"replica-{n}") for n in range(4)]
    claimed: list[Key] = []

    async def work(crew: Book) -> None:
        while await crew.count("waiting"):
            for job in await crew.claim(ONE, TWO):
                claimed.append(job.key)
                assert await crew.count("running") <= 4
                await crew.finish(job)

    await asyncio.gather(*map(work, crews))
    assert sorted(claimed) == [Key("b1", ordinal, 1) for ordinal in range(60)]


async def test_a_small_batch_does_not_wait_behind_a_thousand_images_of_another_user(book: Book) -> None:
    await book.intake.accept(reserved("large", quantity=1000, username="Areg"))
    first = await book.claim(ONE)
    book.clock.now += 1
    await book.intake.accept(reserved("small", quantity=4, username="Berta"))
    order = []
    running = list(first)
    while not all(("small", n) in order for n in range(4)):
        ended = running.pop(0)
        await book.finish(ended)
        order.append((ended.key.batch_id, ended.key.ordinal))
        running += await book.claim(ONE)
    assert len(order) <= 2 + 2 * 4


async def test_fifty_batches_of_one_user_do_not_hold_back_the_one_of_another(book: Book) -> None:
    for number in range(50):
        await book.intake.accept(reserved(f"a{number}", quantity=2, username="Areg"))
        book.clock.now += 1
    await book.intake.accept(reserved("b", quantity=2, username="Berta"))
    assert {job.key.batch_id for job in await book.claim(ONE)} == {"a0", "b"}


async def test_images_that_no_free_backend_can_do_hold_back_nobody(database_url: str) -> None:
    """Ten thousand of them, of ten users, before the one that can be done."""
    rare: dict[str, Any] = {"parameters": {"checkpoint": "rare"}}
    async with opened(database_url) as first:
        book = replica(
            first.database,
            first.clock,
            "picky",
            lambda wish: ["two"] if ("checkpoint", "rare") in wish.texts else None,
        )
        for number in range(10):
            await book.intake.accept(reserved(f"r{number}", quantity=1000, username=f"User{number}", **rare))
        book.clock.now += 1
        await book.intake.accept(reserved("plain", quantity=3, username="User3"))
        assert {job.key.batch_id for job in await book.claim(Offer("one", 3))} == {"plain"}
        claimed = await book.claim(Offer("one", 3), Offer("two", 10))
        assert Counter(job.backend for job in claimed) == {"two": 10}
        # The other nine: that one has three in flight already.
        assert len({job.batch.request.username for job in claimed} - {"User3"}) == 9


async def test_each_replica_knows_which_part_of_a_backends_images_is_its(book: Book) -> None:
    await book.intake.accept(reserved(quantity=6))
    other = replica(book.database, book.clock, "other")
    await book.claim(Offer("one", 1))
    await other.claim(ONE, TWO)
    assert await book.claims.parts() == {"one": 0.5, "two": 0.0}
    assert await other.claims.parts() == {"one": 0.5, "two": 1.0}


async def test_a_long_queue_leaves_the_others_their_share(book: Book) -> None:
    """An endpoint with room for a hundred and three machines, beside two pods: it gets three of five."""
    await book.intake.accept(reserved(quantity=140))
    offers = Offer("pod-1", 2, 1.0), Offer("pod-2", 2, 1.0), Offer("runpod", 100, 1.0, machines=3)
    held: Counter[str] = Counter()
    while claimed := await book.claim(*offers):
        held.update(job.backend for job in claimed)
    assert (held["pod-1"], held["pod-2"]) == (2, 2)
    assert 80 <= held["runpod"] <= 88
    assert await book.count("waiting") == 140 - sum(held.values())


async def test_images_of_a_character_get_the_backend_with_its_embedding(book: Book) -> None:
    opal = Character(id="opal", name="Opal", collection="premade_characters", embedding="opal_fever")
    await book.intake.accept(reserved("opal", quantity=2, character=opal))
    book.clock.now += 1
    await book.intake.accept(reserved("plain", quantity=2))
    trained = replica(
        book.database, book.clock, "one", fond=lambda wish: ["two"] if wish.embedding == "opal_fever" else ()
    )
    claimed = await trained.claim(ONE, TWO)
    assert {(job.key.batch_id, job.backend) for job in claimed} == {("opal", "two"), ("plain", "one")}


async def test_a_row_of_before_wishes_were_noted_goes_anywhere(book: Book) -> None:
    await book.intake.accept(reserved())
    async with book.database.begin() as connection:
        await connection.execute(text("UPDATE jobs SET lane = username || '/'"))
    nobody = replica(book.database, book.clock, "picky", lambda _wish: [])
    assert len(await nobody.claim(ONE)) == 1


async def test_a_users_oldest_batch_comes_first_in_its_order(book: Book) -> None:
    await book.intake.accept(reserved("z", quantity=2))
    book.clock.now += 1
    await book.intake.accept(reserved("a", quantity=2))
    claimed = await book.claim(Offer("one", 3))
    assert [(job.key.batch_id, job.key.ordinal) for job in _in_order(claimed)] == [
        ("z", 0),
        ("z", 1),
        ("a", 0),
    ]


async def test_a_lease_that_runs_out_is_taken_over_with_the_same_remote_job(book: Book) -> None:
    await book.intake.accept(reserved(quantity=2))
    mine = {job.key: (job.backend, job.remote_id) for job in await book.claim(ONE)}
    other = replica(book.database, book.clock, "two")
    assert await other.claim(ONE) == []
    book.clock.now += LEASE
    taken = await other.claim(ONE)
    assert {job.key: (job.backend, job.remote_id) for job in taken} == mine
    assert await book.claims.extend(mine.keys()) == set()


async def test_a_heartbeat_keeps_the_lease(book: Book) -> None:
    await book.intake.accept(reserved())
    (job,) = await book.claim(ONE)
    other = replica(book.database, book.clock, "two")
    for _ in range(5):
        book.clock.now += LEASE / 2
        assert await book.claims.extend({job.key}) == {job.key}
        assert await other.claim(ONE) == []


async def test_what_is_released_is_taken_over_at_once(book: Book) -> None:
    await book.intake.accept(reserved())
    (job,) = await book.claim(ONE)
    await book.claims.release([job.key])
    (taken,) = await replica(book.database, book.clock, "two").claim(ONE)
    assert taken.remote_id == job.remote_id


async def test_a_row_of_a_backend_that_nobody_has_any_more_waits_again(book: Book) -> None:
    await book.intake.accept(reserved())
    (job,) = await book.claim(ONE)
    book.clock.now += LEASE
    assert await book.claim(TWO) == []
    book.clock.now += 4 * LEASE
    (again,) = await book.claim(TWO)
    assert again.backend == "two"
    assert again.remote_id != job.remote_id


async def test_a_row_that_rests_is_claimed_after_its_rest_and_elsewhere(book: Book) -> None:
    await book.intake.accept(reserved())
    (job,) = await book.claim(ONE)
    await book.endings.put_back(job, Again(book.clock.now + 10, 1, "one"))
    assert await book.claim(ONE, TWO) == []
    book.clock.now += 10
    (again,) = await book.claim(ONE, TWO)
    assert (again.backend, again.tries) == ("two", 1)
    assert again.remote_id != job.remote_id


async def test_a_job_that_may_live_on_is_looked_for_where_it_was_and_sent_anew_elsewhere(book: Book) -> None:
    await book.intake.accept(reserved(quantity=2))
    jobs_there = await book.claim(ONE)
    for job in jobs_there:
        await book.endings.put_back(job, Again(0.0, 0, "one", perhaps_alive=True))
    there, elsewhere = (*await book.claim(Offer("one", 1)), *await book.claim(Offer("two", 1)))
    known = {job.key: job.remote_id for job in jobs_there}
    assert (there.remote_id, there.fresh) == (known[there.key], False)
    assert elsewhere.fresh
    assert elsewhere.remote_id != known[elsewhere.key]


async def test_a_job_left_behind_is_remembered_once_until_it_is_forgotten(book: Book) -> None:
    await book.intake.accept(reserved(quantity=2))
    first, second = await book.claim(ONE)
    strays = SqlStrays(book.database, book.clock)
    await strays.leave(first)
    for job in (first, second):
        await book.endings.put_back(job, Again(0.0, 0, "one", perhaps_alive=True))
    assert len(await book.claim(TWO)) == 2
    left = await strays.left_at(["one"])
    assert {(job.key, job.remote_id) for job in left} == {(job.key, job.remote_id) for job in (first, second)}
    assert await strays.left_at(["two"]) == []
    assert [await strays.forget(first.remote_id) for _ in range(2)] == [True, False]
    book.clock.now += 10
    await strays.forget_older(book.clock.now)
    assert await strays.left_at(["one"]) == []


async def test_a_row_that_is_no_longer_ours_is_not_put_back(book: Book) -> None:
    await book.intake.accept(reserved())
    (job,) = await book.claim(ONE)
    book.clock.now += LEASE
    await replica(book.database, book.clock, "two").claim(ONE)
    await book.endings.put_back(job, Again(0.0, 1, "one"))
    assert await book.count("running") == 1


async def test_more_users_than_one_claim_looks_at_all_get_their_turn(book: Book) -> None:
    for number in range(7):
        await book.intake.accept(reserved(f"b{number}", username=f"user{number}"))
    lanes, seen = Lanes(most=3), set()
    async with book.database.read() as connection:
        for _ in range(3):
            seen |= {queue.username for queue in await lanes.waiting(connection)}
    assert seen == {f"user{number}" for number in range(7)}


async def test_a_claim_costs_no_more_with_ten_thousand_rows_waiting(database_url: str) -> None:
    """In statements, and in rows that they read: by the clock both are too quick to compare."""
    async with opened(database_url) as book:
        await _many_rows(book, 1_000)
        some = await _statements(book)
        await _many_rows(book, 10_000, "n")
        assert await _statements(book) <= some


async def test_where_few_wait_a_claim_asks_once_and_writes_once(database_url: str) -> None:
    async with opened(database_url) as book:
        await book.intake.accept(reserved())
        await book.claim(ONE)
        await book.intake.accept(reserved("b2"))
        # On PostgreSQL it first takes its turn among the replicas.
        assert await _statements(book) == (3 if book.database.is_postgresql else 2)


async def test_a_few_images_are_claimed_as_many_are(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three users and two wishes each, where all are read at once and where each lane is probed."""
    for number in range(12):
        parameters = {"checkpoint": f"wish{number // 3 % 2}"}
        batch = reserved(f"b{number}", quantity=2, username=f"user{number % 3}", parameters=parameters)
        await book.intake.accept(batch)
        book.clock.now += 1
    claimed: list[list[Key]] = []
    for few in (standing.FEW, 5):
        monkeypatch.setattr(standing, "FEW", few)
        jobs_there = await book.claim(Offer("one", 7), Offer("two", 4))
        claimed.append([job.key for job in jobs_there])
        for job in jobs_there:
            await book.endings.put_back(job, Again(0.0, 0, ""))
    assert claimed[0] == claimed[1]
    assert len(claimed[0]) == 11


async def test_every_question_of_a_claim_uses_an_index(database_url: str) -> None:
    """Tens of thousands of rows wait; a claim must not read them."""
    asked: list[tuple[str, object]] = []

    def listen(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        asked.append((statement, parameters))

    async with opened(database_url) as book:
        await book.intake.accept(reserved())
        await _many_rows(book, 20_000)
        await book.claim(ONE)
        event.listen(Engine, "before_cursor_execute", listen)
        try:
            await book.claim(Offer("one", 6))
        finally:
            event.remove(Engine, "before_cursor_execute", listen)
        selects = [
            each
            for each in asked
            if each[0].lstrip().upper().startswith(("SELECT", "WITH")) and "jobs" in each[0]
        ]
        assert len(selects) >= 4
        for statement, parameters in selects:
            plan = await _plan(book, statement, parameters)
            assert not re.search(r"SCAN jobs\S*+(?! USING)|Seq Scan on jobs", plan), plan


async def test_a_claim_reads_no_batch_again_and_wakes_nobody_who_did_not_rest(book: Book) -> None:
    await book.intake.accept(reserved(quantity=4))
    await book.claim(Offer("one", 1))
    with statements() as asked:
        (job,) = await book.claim(Offer("one", 2))
    assert job.batch.request == reserved(quantity=4).request
    assert not [each for each in asked if "batches" in each]
    # One that writes: the rows that were claimed.
    assert len([each for each in asked if "UPDATE jobs" in each]) == 1


async def test_no_more_batches_are_remembered_than_allowed(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "REMEMBERED", 2)
    for number in range(5):
        await book.intake.accept(reserved(f"b{number}", username=f"user-{number}"))
        (job,) = await book.claim(Offer("one", number + 1))
        assert job.batch.request.username == f"user-{number}"


async def _statements(book: Book) -> int:
    with statements() as asked:
        await book.claim(Offer("one", 3))
    return len(asked)


async def _many_rows(book: Book, count: int, name: str = "m") -> None:
    batch = Batch(reserved().request, "folder", 1, 0, 0)
    rows = [
        waiting_values(Key(f"{name}{n // 1000}", n % 1000, 1), batch, book.clock.now + n // 1000)
        | {"username": f"u{n % 20}", "lane": f"u{n % 20}/w{n % 20}"}
        for n in range(count)
    ]
    known = [batch_values(reserved(f"{name}{n}"), 0, book.clock.now) for n in range(count // 1000)]
    async with book.database.begin() as connection:
        await connection.execute(insert(batches), known)
        await connection.execute(insert(jobs), rows)
    async with book.database.begin() as connection:
        await connection.execute(text("ANALYZE"))


async def _plan(book: Book, statement: str, parameters: object) -> str:
    prefix = "EXPLAIN " if book.database.is_postgresql else "EXPLAIN QUERY PLAN "
    async with book.database.read() as connection:
        rows = await connection.exec_driver_sql(prefix + statement, parameters)  # type: ignore[arg-type]
        return "\n".join(str(row) for row in rows)


def _in_order(claimed: list[Job]) -> list[Job]:
    return sorted(claimed, key=lambda job: (job.created_at, job.key))


async def test_what_waits_is_counted_whoever_will_render_it(book: Book) -> None:
    assert await book.claims.backlog() == 0
    await book.intake.accept(reserved(quantity=5))
    await book.claim(Offer("one", 2))
    assert await book.claims.backlog() == 3
