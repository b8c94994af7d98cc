"""The table of how deliveries end."""

import pytest

from contracts.topology import WAITS
from messaging.errors import Later, Outage, PermanentError, TemporaryError, Unroutable
from messaging.policy import Again, Dead, Outcome, Pause, outcome, pause, wait_of

ONE, TEN, SIXTY, FIVE_MINUTES = WAITS

TABLE: list[tuple[BaseException, int, Outcome]] = [
    (Outage("db"), 0, Pause(ONE, 0, "Outage: db")),
    (Outage("db"), 9, Pause(ONE, 9, "Outage: db")),
    (Unroutable("no queue"), 9, Pause(ONE, 9, "Unroutable: no queue")),
    (Later("leased"), 9, Again(ONE, 9, "Later: leased")),
    (Later("leased", delay=0), 0, Again(ONE, 0, "Later: leased")),
    (Later("leased", delay=1.5), 0, Again(TEN, 0, "Later: leased")),
    (Later("leased", delay=60), 0, Again(SIXTY, 0, "Later: leased")),
    (Later("leased", delay=1e9), 0, Again(FIVE_MINUTES, 0, "Later: leased")),
    (PermanentError("no"), 0, Dead(1, "PermanentError: no")),
    (PermanentError("no"), 4, Dead(5, "PermanentError: no")),
    (TemporaryError("full"), 0, Again(ONE, 1, "TemporaryError: full")),
    (TemporaryError("full"), 1, Again(TEN, 2, "TemporaryError: full")),
    (TemporaryError("full"), 2, Again(SIXTY, 3, "TemporaryError: full")),
    (TemporaryError("full"), 3, Again(FIVE_MINUTES, 4, "TemporaryError: full")),
    (TemporaryError("full"), 8, Again(FIVE_MINUTES, 9, "TemporaryError: full")),
    (TemporaryError("full"), 9, Dead(10, "TemporaryError: full")),
    (TemporaryError("full"), 99, Dead(100, "TemporaryError: full")),
    (TemporaryError("full", delay=0), 5, Again(ONE, 6, "TemporaryError: full")),
    (TemporaryError("full", delay=30), 0, Again(SIXTY, 1, "TemporaryError: full")),
    (TemporaryError("full", delay=30), 9, Dead(10, "TemporaryError: full")),
    (ZeroDivisionError("bug"), 0, Again(ONE, 1, "ZeroDivisionError: bug")),
    (KeyError(), 9, Dead(10, "KeyError")),
    (TimeoutError(), 1, Again(TEN, 2, "TimeoutError")),
]


@pytest.mark.parametrize(("error", "attempts", "expected"), TABLE)
def test_how_a_delivery_ends(error: BaseException, attempts: int, expected: Outcome) -> None:
    assert outcome(error, attempts) == expected


@pytest.mark.parametrize(
    ("seconds", "wait"),
    [(-1, ONE), (0, ONE), (1, ONE), (1.01, TEN), (10, TEN), (61, FIVE_MINUTES), (1e9, FIVE_MINUTES)],
)
def test_a_wait_is_the_shortest_that_is_long_enough(seconds: float, wait: object) -> None:
    assert wait_of(seconds) == wait


def test_pauses_grow_to_half_a_minute_and_stay_there() -> None:
    assert [pause(outages) for outages in (1, 2, 3, 4, 5, 6, 1000)] == [1, 2, 5, 10, 30, 30, 30]
