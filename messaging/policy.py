"""How a delivery ends: should it come again, when, and is it counted? Pure."""

from dataclasses import dataclass

from contracts.topology import WAITS, Wait
from messaging.errors import Later, Outage, PermanentError, TemporaryError

#: Attempts that a delivery has before it becomes a dead letter.
MAX_ATTEMPTS = 10
#: Seconds that a subscription pauses after its first, second, ... outage in a row.
PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True)
class Again:
    """A copy goes to this wait queue, with this many attempts on its account."""

    wait: Wait
    attempts: int
    reason: str


@dataclass(frozen=True)
class Pause:
    """As Again, and the whole subscription rests: its neighbour is down."""

    wait: Wait
    attempts: int
    reason: str


@dataclass(frozen=True)
class Dead:
    """A copy of the original bytes goes to the dead-letter queue."""

    attempts: int
    reason: str


Outcome = Again | Pause | Dead


def wait_of(seconds: float) -> Wait:
    """The shortest wait that is not shorter than `seconds`, else the longest there is."""
    return next((wait for wait in WAITS if wait.seconds >= seconds), WAITS[-1])


def outcome(error: BaseException, attempts: int) -> Outcome:
    """What follows from `error`, where `attempts` have failed before."""
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    match error:
        case Outage():
            return Pause(WAITS[0], attempts, reason)
        case Later(delay=delay):
            return Again(wait_of(delay), attempts, reason)
        case PermanentError():
            return Dead(attempts + 1, reason)
    failed = attempts + 1
    if failed >= MAX_ATTEMPTS:
        return Dead(failed, reason)
    if isinstance(error, TemporaryError) and error.delay is not None:
        return Again(wait_of(error.delay), failed, reason)
    return Again(WAITS[min(failed, len(WAITS)) - 1], failed, reason)


def pause(outages_in_a_row: int) -> float:
    """Seconds that a subscription rests."""
    return PAUSES[min(outages_in_a_row, len(PAUSES)) - 1]
