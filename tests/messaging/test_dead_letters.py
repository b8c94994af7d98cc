"""What every bus promises of its dead letters."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.commands import CancelBatch, OpenFolder
from contracts.topology import QUEUES, Queue
from messaging.bus import Subscription
from messaging.dead_letters import DeadLetter, Wanted
from messaging.errors import PermanentError, TemporaryError
from tests.messaging.ear import Ear
from tests.messaging.rig import Rig, until

OPENINGS, CANCELS = Queue("indexer", OpenFolder), Queue("renderer", CancelBatch)
EVERY = Wanted()


async def laid(rig: Rig, *names: str) -> Sequence[DeadLetter]:
    """Dead openings of these folders, one after the other."""
    for count, name in enumerate(names, 1):
        async with rig.bus.consuming(
            [Subscription("indexer", OpenFolder, Ear(PermanentError(f"no {name}")))]
        ):
            await rig.bus.publish(OpenFolder(folder=name))
            await lying(rig, OPENINGS, count)
    return (await rig.bus.dead.find(EVERY, 100)).letters


async def lying(rig: Rig, queue: Queue, count: int) -> None:
    """Returns once so many lie there."""

    async def there() -> bool:
        return (await rig.bus.depths([queue.dead])).get(queue.dead) == count

    await until(there)


async def reasons(rig: Rig, wanted: Wanted = EVERY) -> list[str]:
    return [letter.death.reason for letter in (await rig.bus.dead.find(wanted, 100)).letters]


def says(*names: str) -> list[str]:
    return [f"PermanentError: no {name}" for name in names]


async def test_a_dead_letter_says_where_when_and_why_it_died(rig: Rig) -> None:
    before = datetime.now(UTC)
    await rig.inject(CANCELS, b'{"batch_id": "b1", "round": "odd"}', {"id": "mine", "x-attempt": 3})
    async with rig.bus.consuming([Subscription("renderer", CancelBatch, Ear())]):
        await lying(rig, CANCELS, 1)
    (letter,) = (await rig.bus.dead.find(EVERY, 10)).letters
    assert (letter.queue, letter.batch_id, letter.envelope.id) == (CANCELS, "b1", "mine")
    assert letter.death.reason.startswith("not a CancelBatch.v1")
    assert (letter.death.attempts, letter.earlier) == (4, ())
    assert letter.died_at is not None
    assert before <= letter.died_at <= datetime.now(UTC)
    assert letter.first_seen == letter.died_at
    assert letter.id.startswith("renderer.CancelBatch:")
    assert (letter.envelope.body, letter.size) == (b"", 34)


async def test_looking_changes_nothing(rig: Rig) -> None:
    letters = await laid(rig, "a", "b", "c")
    for _ in range(3):
        assert (await rig.bus.dead.find(EVERY, 100)).letters == letters
        assert await reasons(rig) == says("a", "b", "c")
    assert await rig.bus.dead_letters() == {"indexer.OpenFolder": 3}


async def test_one_is_shown_with_its_body(rig: Rig) -> None:
    _, second = await laid(rig, "a", "b")
    shown = await rig.bus.dead.show(second.id)
    assert shown is not None
    assert shown.envelope.body == OpenFolder(folder="b").encode()
    assert replace(shown, envelope=replace(shown.envelope, body=b"")) == second
    assert await rig.bus.dead.show("indexer.OpenFolder:nobody") is None
    assert await rig.bus.dead.show("no.Queue:nobody") is None


async def test_there_are_more_than_one_asked_for(rig: Rig) -> None:
    await laid(rig, "a", "b", "c")
    for limit, more in ((1, True), (2, True), (3, False)):
        found = await rig.bus.dead.find(EVERY, limit)
        assert (len(found.letters), found.more) == (limit, more)


async def test_a_replayed_letter_is_the_same_message_with_all_attempts_before_it(rig: Rig) -> None:
    await rig.inject(OPENINGS, OpenFolder(folder="f").encode(), {"id": "mine", "x-attempt": 9})
    async with rig.bus.consuming([Subscription("indexer", OpenFolder, Ear(TemporaryError("disk full")))]):
        await lying(rig, OPENINGS, 1)
    (letter,) = (await rig.bus.dead.find(EVERY, 10)).letters
    assert letter.death.attempts == 10
    assert await rig.bus.dead.replay(EVERY) == [letter.id]
    assert (await rig.bus.dead.find(EVERY, 10)).letters == []
    again = Ear(TemporaryError("disk still full"), PermanentError("never"))
    async with rig.bus.consuming([Subscription("indexer", OpenFolder, again)]):
        await lying(rig, OPENINGS, 1)
    assert again.heard == 2 * [OpenFolder(folder="f")]
    (second,) = (await rig.bus.dead.find(EVERY, 10)).letters
    assert second.envelope.id == "mine"
    assert second.id != letter.id
    assert (second.death.reason, second.death.attempts) == ("PermanentError: never", 2)
    assert second.earlier == (letter.death,)
    assert second.first_seen == letter.first_seen


async def test_a_letter_that_dies_again_and_again_keeps_its_whole_history(rig: Rig) -> None:
    await laid(rig, "a")
    for number in range(3):
        await rig.bus.dead.replay(EVERY)
        ear = Ear(PermanentError(f"again {number}"))
        async with rig.bus.consuming([Subscription("indexer", OpenFolder, ear)]):
            await lying(rig, OPENINGS, 1)
    (letter,) = (await rig.bus.dead.find(EVERY, 10)).letters
    told = [death.reason.removeprefix("PermanentError: ") for death in (*letter.earlier, letter.death)]
    assert told == ["no a", "again 0", "again 1", "again 2"]


async def test_a_replayed_letter_goes_to_its_own_queue_alone(rig: Rig) -> None:
    await laid(rig, "a")
    await rig.bus.dead.replay(EVERY)
    work = [queue.name for queue in QUEUES]
    assert {name: size for name, size in (await rig.bus.depths(work)).items() if size} == {OPENINGS.name: 1}


async def test_only_what_was_asked_for_is_replayed_and_the_others_keep_their_order(rig: Rig) -> None:
    letters = await laid(rig, "a", "b", "c", "d")
    chosen = frozenset({letters[1].id, letters[3].id, "indexer.OpenFolder:gone"})
    assert set(await rig.bus.dead.replay(Wanted(ids=chosen))) == {letters[1].id, letters[3].id}
    assert await reasons(rig) == says("a", "c")
    ear = Ear()
    async with rig.bus.consuming([Subscription("indexer", OpenFolder, ear)]):
        assert {message.folder for message in await ear.hears(2)} == {"b", "d"}


async def test_what_is_dropped_is_gone_and_nothing_else(rig: Rig) -> None:
    letters = await laid(rig, "a", "b", "c")
    assert await rig.bus.dead.drop(Wanted(ids=frozenset({letters[0].id}))) == [letters[0].id]
    assert await reasons(rig) == says("b", "c")
    assert len(await rig.bus.dead.drop(EVERY)) == 2
    assert await rig.bus.dead_letters() == {}
    assert await rig.bus.depths([OPENINGS.name]) == {OPENINGS.name: 0}


async def test_letters_are_found_by_queue_reason_batch_and_age(rig: Rig) -> None:
    await laid(rig, "a", "b")
    await rig.inject(CANCELS, b'{"batch_id": "b1", "round": "odd"}')
    async with rig.bus.consuming([Subscription("renderer", CancelBatch, Ear())]):
        await lying(rig, CANCELS, 1)
    soon = datetime.now(UTC) + timedelta(minutes=1)
    cases: list[tuple[dict[str, Any], int]] = [
        ({}, 3),
        ({"queues": frozenset({"indexer.OpenFolder"})}, 2),
        ({"queues": frozenset({"indexer.OpenFolder", CANCELS.name})}, 3),
        ({"queues": frozenset({"gateway.ImageStored"})}, 0),
        ({"reason": "NO A"}, 1),
        ({"batch_id": "b1"}, 1),
        ({"batch_id": "b2"}, 0),
        ({"died_before": soon}, 3),
        ({"died_after": soon}, 0),
        ({"died_before": soon, "reason": "no b", "queues": frozenset({CANCELS.name})}, 0),
    ]
    for asked, count in cases:
        assert len(await reasons(rig, Wanted(**asked))) == count, asked


async def test_two_who_look_at_once_see_everything(rig: Rig) -> None:
    await laid(rig, "a", "b", "c")
    seen = await asyncio.gather(*(reasons(rig) for _ in range(5)))
    assert seen == 5 * [says("a", "b", "c")]


async def test_depths_say_what_waits_in_any_queue(rig: Rig) -> None:
    names = [OPENINGS.name, CANCELS.name, OPENINGS.dead, "wait.1s", "no.such.queue"]
    await laid(rig, "a")
    await rig.bus.publish(CancelBatch(batch_id="b1"), CancelBatch(batch_id="b2"))
    assert await rig.bus.depths(names) == {OPENINGS.name: 0, CANCELS.name: 2, OPENINGS.dead: 1, "wait.1s": 0}
    ear = Ear(TemporaryError("soon", delay=1))
    async with rig.bus.consuming([Subscription("indexer", OpenFolder, ear)]):
        await rig.bus.publish(OpenFolder(folder="waits"))

        async def waits() -> bool:
            return (await rig.bus.depths(["wait.1s"]))["wait.1s"] == 1

        await until(waits)
        await ear.hears(2)


@pytest.mark.parametrize("history", ["", "x", "[", "{}", "[1]", '[{"at": 1}]', "[" * 5000, "null"])
async def test_a_history_that_nobody_can_read_counts_as_none(rig: Rig, history: str) -> None:
    ear = Ear(PermanentError("no"))
    async with rig.bus.consuming([Subscription("indexer", OpenFolder, ear)]):
        await rig.inject(OPENINGS, OpenFolder(folder="f").encode(), {"x-history": history})
        await lying(rig, OPENINGS, 1)
    (letter,) = (await rig.bus.dead.find(EVERY, 10)).letters
    assert (letter.death.reason, letter.earlier) == ("PermanentError: no", ())
