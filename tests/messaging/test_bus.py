"""The promises of a bus, held by every bus there is."""

import asyncio
import json
from typing import Any

import pytest

from contracts.commands import CancelBatch, OpenFolder
from contracts.events import FolderOpened, ImageFailed
from contracts.topology import Queue
from contracts.transient import ChangesLogged
from messaging.bus import Subscription
from messaging.errors import Later, Outage, PermanentError, TemporaryError
from tests.messaging.ear import Door, Ear
from tests.messaging.rig import Rig, until

OPEN = OpenFolder(folder="Areg/characters/opal/images")
OPENED = FolderOpened(folder=OPEN.folder, next_index=1)
FAILED = ImageFailed(
    batch_id="b1",
    ordinal=0,
    round=1,
    index=7,
    stage="render",
    code="deadline",
    detail="too late",
    retryable=True,
    placeholder_follows=False,
)
INDEXER = Queue("indexer", OpenFolder)
#: Valid, and spelt as our own encoder never would.
ODD_BODY = b'{ "folder":\t"Areg/characters/opal/images",\n"folder_since": 2019 }'


def opening(ear: Ear, **more: Any) -> Subscription[OpenFolder]:
    return Subscription("indexer", OpenFolder, ear, **more)


async def test_every_service_that_reads_a_message_gets_it(rig: Rig) -> None:
    uploader, gateway = Ear(), Ear()
    readers = [Subscription("uploader", ImageFailed, uploader), Subscription("gateway", ImageFailed, gateway)]
    async with rig.bus.consuming(readers):
        await rig.bus.publish(FAILED)
        assert await uploader.hears() == [FAILED]
        assert await gateway.hears() == [FAILED]


async def test_what_was_published_before_anybody_listened_is_delivered(rig: Rig) -> None:
    ear = Ear()
    await rig.bus.publish(OPEN)
    async with rig.bus.consuming([opening(ear)]):
        assert await ear.hears() == [OPEN]


async def test_several_messages_of_one_call_all_arrive(rig: Rig) -> None:
    ear = Ear()
    cancels = [CancelBatch(batch_id=f"b{n}") for n in range(250)]
    async with rig.bus.consuming([Subscription("renderer", CancelBatch, ear)]):
        await rig.bus.publish(*cancels)
        heard = await ear.hears(250)
    assert sorted(heard, key=lambda m: int(m.batch_id[1:])) == cancels


async def test_consumers_of_one_queue_share_what_is_in_it(rig: Rig) -> None:
    one, other = Door(), Door()
    async with rig.bus.consuming([opening(one, prefetch=1)]), rig.bus.consuming([opening(other, prefetch=1)]):
        await rig.bus.publish(OpenFolder(folder="a"), OpenFolder(folder="b"))
        (first,), (second,) = await one.hears(), await other.hears()
        one.opened.set()
        other.opened.set()
    assert {first.folder, second.folder} == {"a", "b"}


async def test_a_transient_message_reaches_every_replica(rig: Rig) -> None:
    one, other = Ear(), Ear()
    hint = ChangesLogged(batch_id="b1")
    listening = [Subscription("gateway", ChangesLogged, ear) for ear in (one, other)]
    async with rig.bus.consuming(listening[:1]), rig.bus.consuming(listening[1:]):
        await rig.bus.publish(hint)
        assert await one.hears() == await other.hears() == [hint]


async def test_a_transient_message_that_nobody_hears_is_gone(rig: Rig) -> None:
    ear = Ear()
    await rig.bus.publish(ChangesLogged(batch_id="early"))
    async with rig.bus.consuming([Subscription("gateway", ChangesLogged, ear)]):
        await rig.bus.publish(ChangesLogged(batch_id="late"))
        assert [hint.batch_id for hint in await ear.hears()] == ["late"]


async def test_a_transient_message_that_fails_is_dropped_and_the_next_one_heard(rig: Rig) -> None:
    ear = Ear(Outage("database"), TemporaryError("odd"), PermanentError("no"))
    async with rig.bus.consuming([Subscription("gateway", ChangesLogged, ear)]):
        for number in range(4):
            await rig.bus.publish(ChangesLogged(batch_id=f"b{number}"))
        assert [hint.batch_id for hint in await ear.hears(4)] == ["b0", "b1", "b2", "b3"]


async def test_what_a_handler_says_names_its_cause_and_trace(rig: Rig) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    reader = Subscription("uploader", FolderOpened, Ear(PermanentError("look at it")))
    async with rig.bus.consuming([opening(Ear([OPENED])), reader]):
        await rig.inject(INDEXER, OPEN.encode(), {"id": "the-cause", "traceparent": trace})
        letter = await rig.letter(reader.queue)
    assert letter.headers["id"] == str(OPENED.id())
    assert (letter.headers["causation-id"], letter.headers["traceparent"]) == ("the-cause", trace)


async def test_a_temporary_error_comes_again_after_its_wait_and_counts_an_attempt(rig: Rig) -> None:
    ear = Ear(TemporaryError("disk full"), PermanentError("still full"))
    async with rig.bus.consuming([opening(ear)]):
        await rig.bus.publish(OPEN)
        await ear.hears(2)
        letter = await rig.letter(INDEXER)
    assert 0.9 < ear.times[1] - ear.times[0] < 3
    assert (letter.headers["x-attempt"], letter.reason) == (2, "PermanentError: still full")


async def test_a_bug_in_a_handler_is_an_attempt(rig: Rig) -> None:
    ear = Ear(ZeroDivisionError("oops"))
    async with rig.bus.consuming([opening(ear)]):
        await rig.bus.publish(OPEN)
        assert await ear.hears(2) == [OPEN, OPEN]


async def test_the_tenth_attempt_ends_as_a_dead_letter_with_the_original_bytes(rig: Rig) -> None:
    first_seen = "2026-01-01T00:00:00+00:00"
    async with rig.bus.consuming([opening(Ear(TemporaryError("disk full")))]):
        await rig.inject(INDEXER, ODD_BODY, {"x-attempt": 9, "x-first-seen": first_seen, "id": "mine"})
        letter = await rig.letter(INDEXER)
    assert letter.body == ODD_BODY
    assert letter.reason == "TemporaryError: disk full"
    assert letter.headers["x-attempt"] == 10
    assert (letter.headers["x-first-seen"], letter.headers["id"]) == (first_seen, "mine")


async def test_a_permanent_error_is_a_dead_letter_at_once(rig: Rig) -> None:
    ear = Ear(PermanentError("never"))
    async with rig.bus.consuming([opening(ear)]):
        await rig.bus.publish(OPEN)
        letter = await rig.letter(INDEXER)
    assert letter.body == OPEN.encode()
    assert (letter.headers["x-attempt"], letter.reason) == (1, "PermanentError: never")
    assert letter.headers["x-first-seen"]
    assert len(ear.heard) == 1


@pytest.mark.parametrize("error", [Later("leased", delay=0.5), Outage("database")], ids=["later", "outage"])
async def test_waiting_counts_no_attempt(rig: Rig, error: Exception) -> None:
    ear = Ear(error, PermanentError("no"))
    async with rig.bus.consuming([opening(ear)]):
        await rig.bus.publish(OPEN)
        letter = await rig.letter(INDEXER)
    assert letter.headers["x-attempt"] == 1
    assert ear.times[1] - ear.times[0] > 0.9


async def test_later_holds_up_nobody_else(rig: Rig) -> None:
    ear = Ear(Later("leased", delay=60))
    async with rig.bus.consuming([opening(ear, prefetch=1)]):
        await rig.bus.publish(OpenFolder(folder="leased"))
        await ear.hears(1)
        await rig.bus.publish(OpenFolder(folder="free"))
        assert [message.folder for message in await ear.hears(2)] == ["leased", "free"]


async def test_an_outage_pauses_the_subscription_and_one_delivery_tries_first(rig: Rig) -> None:
    met, handled = asyncio.Event(), asyncio.Event()
    steps: list[str] = []
    count = 4

    async def handle(message: OpenFolder) -> tuple[()]:
        steps.append("begin")
        if len(steps) <= count:
            if len(steps) == count:
                met.set()
            await met.wait()
            raise Outage("database")
        await asyncio.sleep(0.1)  # long enough for a second one to begin, were there one
        steps.append("end")
        if steps.count("end") == count:
            handled.set()
        return ()

    async with rig.bus.consuming([Subscription("indexer", OpenFolder, handle, prefetch=count)]):
        began = asyncio.get_running_loop().time()
        await rig.bus.publish(*(OpenFolder(folder=str(number)) for number in range(count)))
        async with asyncio.timeout(15):
            await handled.wait()
        took = asyncio.get_running_loop().time() - began
    assert steps[count : count + 2] == ["begin", "end"]
    assert took > 1


async def test_an_outage_of_one_subscription_leaves_the_others_alone(rig: Rig) -> None:
    resting, awake = Ear(Outage("database")), Ear()
    async with rig.bus.consuming([opening(resting), Subscription("renderer", CancelBatch, awake)]):
        await rig.bus.publish(OPEN)
        await resting.hears()
        await rig.bus.publish(CancelBatch(batch_id="b1"))
        await awake.hears()
        assert len(resting.heard) == 1


UNDECODABLE: dict[str, tuple[bytes, dict[str, Any], str | None, str]] = {
    "not JSON": (b"\xff\x00 hello", {}, None, "not a OpenFolder.v1"),
    "nothing": (b"", {}, None, "not a OpenFolder.v1"),
    "wrong type": (b'{"folder": 7}', {}, None, "folder: "),
    "a field missing": (b"{}", {}, None, "folder: Field required"),
    "unknown version": (OPEN.encode(), {}, "OpenFolder.v9", "unknown version 'OpenFolder.v9'"),
    "10 MB": (json.dumps({"folder": "x" * 10_000_000}).encode(), {}, None, "at most 1048576 are read"),
    "odd headers": (
        b"[]",
        {"x-attempt": "many", "id": 5, "traceparent": [1], "x-first-seen": {"a": 1}, "causation-id": None},
        None,
        "not a OpenFolder.v1",
    ),
}


@pytest.mark.parametrize("case", UNDECODABLE)
async def test_what_cannot_be_read_is_a_dead_letter_with_a_reason(rig: Rig, case: str) -> None:
    body, headers, route, reason = UNDECODABLE[case]
    ear, burial = Ear(), Ear()
    async with rig.bus.consuming([opening(ear, bury=burial.bury)]):
        await rig.inject(INDEXER, body, headers, route)
        letter = await rig.letter(INDEXER)
        await rig.bus.publish(OPEN)
        assert await ear.hears() == [OPEN]
    assert letter.body == body
    assert reason in letter.reason
    assert letter.headers["x-attempt"] == 1
    assert burial.heard == []


async def test_headers_of_wrong_types_do_not_keep_a_good_body_from_being_handled(rig: Rig) -> None:
    ear = Ear()
    async with rig.bus.consuming([opening(ear)]):
        await rig.inject(INDEXER, OPEN.encode(), {"x-attempt": [9], "id": 5, "traceparent": False})
        assert await ear.hears() == [OPEN]


async def test_fields_that_nobody_here_knows_are_no_error(rig: Rig) -> None:
    ear = Ear()
    async with rig.bus.consuming([opening(ear)]):
        await rig.inject(INDEXER, ODD_BODY)
        assert await ear.hears() == [OPEN]


async def test_a_dead_letter_speaks_once(rig: Rig) -> None:
    burial, reader = Ear([OPENED]), Ear()
    dying = opening(Ear(PermanentError("never")), bury=burial.bury)
    async with rig.bus.consuming([dying, Subscription("uploader", FolderOpened, reader)]):
        await rig.bus.publish(OPEN)
        await rig.letter(INDEXER)
        assert await reader.hears() == [OPENED]
    assert (burial.heard, burial.reason) == ([OPEN], "PermanentError: never")


async def test_a_burial_that_fails_for_good_still_leaves_the_letter(rig: Rig) -> None:
    dying = opening(Ear(PermanentError("never")), bury=Ear(PermanentError("speechless")).bury)
    async with rig.bus.consuming([dying]):
        await rig.bus.publish(OPEN)
        letter = await rig.letter(INDEXER)
    assert letter.reason == "PermanentError: never; and its burial failed: PermanentError: speechless"


async def test_a_burial_that_meets_an_outage_is_owed_until_it_can_be_said(rig: Rig) -> None:
    burial, reader = Ear(Outage("database"), [OPENED]), Ear()
    dying = opening(Ear(*2 * [PermanentError("never")]), bury=burial.bury)
    async with rig.bus.consuming([dying, Subscription("uploader", FolderOpened, reader)]):
        await rig.bus.publish(OPEN)
        letter = await rig.letter(INDEXER)
        assert await reader.hears() == [OPENED]
    assert (letter.headers["x-attempt"], letter.reason) == (1, "PermanentError: never")
    assert len(burial.heard) == 2


async def test_what_follows_the_acknowledgement_may_fail(rig: Rig) -> None:
    ear, after = Ear(), Ear(OSError("no room"))
    async with rig.bus.consuming([opening(ear, then=after.after)]):
        await rig.bus.publish(OPEN, OpenFolder(folder="next"))
        assert len(await after.hears(2)) == 2
    assert len(ear.heard) == 2


async def test_nothing_follows_a_delivery_that_failed(rig: Rig) -> None:
    after = Ear()
    async with rig.bus.consuming([opening(Ear(PermanentError("never")), then=after.after)]):
        await rig.bus.publish(OPEN)
        await rig.letter(INDEXER)
    assert after.heard == []


async def test_leaving_lets_the_running_handler_end_and_gives_back_the_rest(rig: Rig) -> None:
    door, later = Door(), Ear()
    folders = {"a", "b", "c"}
    consuming = rig.bus.consuming([opening(door, prefetch=1)])
    await rig.bus.publish(*(OpenFolder(folder=folder) for folder in sorted(folders)))
    await consuming.__aenter__()
    (held,) = await door.hears()
    leaving = asyncio.create_task(consuming.__aexit__(None, None, None))
    await asyncio.sleep(0)
    assert not leaving.done()
    door.opened.set()
    await leaving
    assert door.heard == door.left == [held]
    async with rig.bus.consuming([opening(later)]):
        assert {message.folder for message in await later.hears(2)} == folders - {held.folder}


async def test_dead_letters_are_counted_by_the_queue_they_died_in(rig: Rig) -> None:
    assert await rig.bus.dead_letters() == {}
    async with rig.bus.consuming([opening(Ear(*2 * [PermanentError("never")]))]):
        await rig.bus.publish(OPEN, OpenFolder(folder="another"))

        async def both() -> bool:
            return await rig.bus.dead_letters() == {"indexer.OpenFolder": 2}

        assert await until(both)


async def test_a_bus_that_works_has_no_trouble(rig: Rig) -> None:
    async with rig.bus.consuming([opening(Ear())]):
        assert rig.bus.trouble() is None
