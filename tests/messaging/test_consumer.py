"""From a delivery to its verdict."""

from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from contracts.commands import OpenFolder
from contracts.events import FolderOpened
from contracts.limits import MAX_BODY
from contracts.message import Undecodable
from contracts.topology import MAX_DELIVERIES, WAITS
from messaging.bus import Subscription
from messaging.consumer import Buried, Done, Verdict, afterwards, read, settle
from messaging.envelope import Envelope
from messaging.errors import Later, Outage, PermanentError, TemporaryError
from messaging.policy import Again, Dead, Pause
from tests.messaging.ear import Ear

OPEN = OpenFolder(folder="f")
OPENED = FolderOpened(folder="f", next_index=1)


def subscription(*ends: Any, **more: Any) -> Subscription[OpenFolder]:
    return Subscription("indexer", OpenFolder, Ear(*ends), **more)


def delivery(body: bytes = OPEN.encode(), route: str = "OpenFolder.v1", attempts: int = 0) -> Envelope:
    return Envelope(route, body, attempts=attempts)


async def verdict(*ends: Any, attempts: int = 0, returns: int = 0, **more: Any) -> Verdict:
    return await settle(subscription(*ends, **more), delivery(attempts=attempts), returns)


async def test_what_a_handler_says_is_done() -> None:
    assert await verdict([OPENED]) == Done(OPEN, [OPENED])


@pytest.mark.parametrize(
    ("error", "attempts", "expected"),
    [
        (TemporaryError("full"), 2, Again(WAITS[2], 3, "TemporaryError: full")),
        (ValueError("bug"), 0, Again(WAITS[0], 1, "ValueError: bug")),
        (Later("leased", 10), 2, Again(WAITS[1], 2, "Later: leased")),
        (Outage("db"), 2, Pause(WAITS[0], 2, "Outage: db")),
        (PermanentError("no"), 2, Buried(Dead(3, "PermanentError: no"))),
        (TemporaryError("full"), 9, Buried(Dead(10, "TemporaryError: full"))),
    ],
)
async def test_an_error_ends_by_the_policy(error: Exception, attempts: int, expected: Verdict) -> None:
    assert await verdict(error, attempts=attempts) == expected


async def test_a_dead_letter_says_what_its_burial_says() -> None:
    burial = Ear([OPENED])
    end = await verdict(PermanentError("no"), bury=burial.bury)
    assert end == Buried(Dead(1, "PermanentError: no"), [OPENED])
    assert burial.heard == [OPEN]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Outage("db"), Pause(WAITS[0], 9, "Outage: db")),
        (Later("leased"), Again(WAITS[0], 9, "Later: leased")),
        (
            PermanentError("mute"),
            Buried(Dead(10, "TemporaryError: x; and its burial failed: PermanentError: mute")),
        ),
        (ValueError("bug"), Buried(Dead(10, "TemporaryError: x; and its burial failed: ValueError: bug"))),
    ],
)
async def test_a_burial_that_fails(error: Exception, expected: Verdict) -> None:
    """Whatever comes again must die again, so that its words are still said."""
    assert await verdict(TemporaryError("x"), attempts=9, bury=Ear(error).bury) == expected


async def test_twenty_returns_without_an_answer_are_refused_with_a_reason() -> None:
    handler, burial = Ear(), Ear([OPENED])
    sub = Subscription("indexer", OpenFolder, handler, bury=burial.bury)
    end = await settle(sub, delivery(attempts=2), MAX_DELIVERIES)
    reason = "came back 20 times without an answer; its consumers died or froze"
    assert end == Buried(Dead(2, reason), [OPENED])
    assert handler.heard == []
    assert await settle(sub, delivery(), MAX_DELIVERIES - 1) == Done(OPEN, ())


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (
            delivery(route="OpenFolder.v2"),
            "unknown version 'OpenFolder.v2': this service reads OpenFolder.v1",
        ),
        (delivery(b"x" * (MAX_BODY + 1)), f"a body of {MAX_BODY + 1} bytes; at most {MAX_BODY} are read"),
        (delivery(b'{"folder": 5}'), "not a OpenFolder.v1: folder: Input should be a valid string"),
    ],
)
async def test_what_cannot_be_read_dies_unspoken(envelope: Envelope, reason: str) -> None:
    burial = Ear()
    with pytest.raises(Undecodable):
        read(subscription(), envelope)
    assert await settle(subscription(bury=burial.bury), envelope) == Buried(Dead(1, reason))
    assert burial.heard == []


def test_the_longest_allowed_body_is_read() -> None:
    body = OPEN.encode()
    assert read(subscription(), delivery(body + b" " * (MAX_BODY - len(body)))) == OPEN


async def test_ends_are_counted() -> None:
    def count() -> float:
        labels = {"queue": "indexer.OpenFolder", "outcome": "again"}
        return REGISTRY.get_sample_value("darkroom_deliveries_total", labels) or 0

    before = count()
    await verdict(TemporaryError("full"))
    assert count() == before + 1


async def test_what_follows_never_fails() -> None:
    with capture_logs() as logs:
        await afterwards(subscription(then=Ear(OSError("no room")).after), OPEN)
        await afterwards(subscription(), OPEN)
    assert [line["event"] for line in logs] == ["left for the sweep"]
