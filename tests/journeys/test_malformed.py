"""What nobody can read or act on, in every queue: a dead letter that says what is wrong, and work goes on."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from contracts.limits import MAX_BODY
from contracts.topology import QUEUES, Queue
from messaging.envelope import Envelope
from messaging.memory import MemoryBus
from tests.journeys.around import Around
from tests.journeys.evidence import breaches, gathered
from tests.journeys.system import running
from tests.journeys.waiting import until
from tests.source import ROOT

HUGE = b'{"batch_id": "' + b"a" * (10 << 20) + b'"}'
#: Well-formed, and up to no good: (service, message) -> field, what it says, and a part of the reason.
HOSTILE: Mapping[str, tuple[str, str, str]] = {
    "indexer.OpenFolder": ("folder", "../../etc/characters/passwd/images", "not a folder of ours"),
    "uploader.DeleteImage": (
        "public_id",
        "Areg/characters/iron-lily/images/../secret",
        "not the name of an image in a folder of ours",
    ),
    "uploader.ImageReady": (
        "blob_key",
        "../../../etc/passwd",
        "a blob's key is {batch_id}/{ordinal}/",
    ),
}


def golden(queue: Queue) -> bytes:
    """A body that keeps the contract."""
    return (ROOT / "tests" / "contracts" / "golden" / f"{queue.message.route()}.json").read_bytes()


def malformed(queue: Queue) -> list[tuple[Envelope, str]]:
    """Envelopes, and what their dead letters must say."""
    route = queue.message.route()
    whole = golden(queue)
    field = next(iter(json.loads(whole)))
    wrong_type = json.dumps(json.loads(whole) | {field: [None]}).encode()
    unknown = f"{queue.message.__name__}.v99"
    return [
        (Envelope(route, b"{not json"), f"not a {route}: body: Invalid JSON"),
        (Envelope(route, b""), f"not a {route}: body: Invalid JSON: EOF"),
        (Envelope(route, b"[" * 100_000), f"not a {route}: body: Invalid JSON: recursion limit"),
        (Envelope(route, b'{"prompt": "\xff\xfe"}'), f"not a {route}: body: Invalid JSON: invalid unicode"),
        (Envelope(route, b"[1, 2]"), f"not a {route}: body: Input should be an object"),
        (Envelope(route, b"{}"), f"not a {route}: {field}: Field required"),
        (Envelope(route, wrong_type), f"not a {route}: {field}"),
        (Envelope(unknown, whole), f"unknown version {unknown!r}: this service reads {route}"),
        (Envelope(route, HUGE), f"a body of {len(HUGE)} bytes; at most {MAX_BODY} are read"),
    ]


@pytest.mark.slow
async def test_what_cannot_be_read_dies_with_a_reason_and_work_goes_on(
    beside: Around, tmp_path: Path
) -> None:
    bus = MemoryBus()
    async with running(bus, beside, tmp_path) as system:
        injected = {queue: malformed(queue) for queue in QUEUES}
        for queue, envelopes in injected.items():
            for envelope, _ in envelopes:
                await bus.inject(queue, envelope)
        areg = system.caller("Areg")
        batch = await areg.ended(await areg.ask("after", await areg.register("Iron Lily"), quantity=3))
        assert breaches(await gathered(beside, [batch])) == []
        await bus.settled()
        for queue, envelopes in injected.items():
            letters = {letter.body + letter.route.encode(): letter for letter in bus.letters(queue)}
            assert len(letters) == len(bus.letters(queue)) == len(envelopes)
            for envelope, reason in envelopes:
                assert reason in (letters[envelope.body + envelope.route.encode()].last_error or "")


@pytest.mark.slow
async def test_what_is_up_to_no_good_dies_with_a_reason_and_touches_nothing(
    beside: Around, tmp_path: Path
) -> None:
    bus = MemoryBus()
    queues = {queue.name: queue for queue in QUEUES}
    async with running(bus, beside, tmp_path) as system:
        for name, (field, value, reason) in HOSTILE.items():
            queue = queues[name]
            body = json.loads(golden(queue)) | {field: value}
            await bus.inject(queue, Envelope(queue.message.route(), json.dumps(body).encode()))

            async def dead(queue: Queue = queue) -> str | None:
                return next((letter.last_error for letter in bus.letters(queue)), None)

            assert reason in await until(dead)
        assert await beside.assets() == []
        areg = system.caller("Areg")
        batch = await areg.ended(await areg.ask("after", await areg.register("Night Heron")))
        assert breaches(await gathered(beside, [batch])) == []
