"""Webhooks as their owners see them, and when a receiver is called again (Standard Webhooks 1.0)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from services.gateway.domain.news import Word

#: Seconds from one attempt to the next; the first is made at once, the tenth is the last.
DELAYS = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
#: Share of a delay that is added to it by lot at the most, so that what failed together is not repeated so.
JITTER = 0.1
#: Longest wait that a receiver may ask for.
LONGEST = 86_400.0
#: Seconds without one success after which a receiver that fails is called no more.
ENOUGH = 5 * 86_400.0
#: Seconds between two events about images of one batch to one webhook.
PACE = 0.5

#: Seconds that an old secret signs along, and secrets that sign at the most.
OVERLAP, SIGNING = 86_400.0, 5

#: Calls that one process has under way at the most: in all, to one receiver, for one user. Whoever is slow
#: takes his own places and no others.
PLACES, PER_RECEIVER, PER_USER = 64, 4, 16

#: Statuses of HTTP at which `Retry-After` is obeyed.
_PATIENT = (429, 503)
_GONE = 410


class Disabled(StrEnum):
    """Why a webhook is not called."""

    ASKED = "asked"
    GONE = "gone"
    FAILING = "failing"


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class WebhookWish:
    """Where somebody would like to be called, and what about."""

    url: str
    #: Scheme, host and port of the URL.
    receiver: str
    events: tuple[str, ...]
    description: str = ""


@dataclass(frozen=True)
class Webhook:
    """Where somebody wants to be called, and what about."""

    id: str
    username: str
    #: The only batch that it hears of; None where it hears of all.
    batch_id: str | None
    url: str
    description: str
    events: tuple[str, ...]
    created_at: float
    disabled: Disabled | None = None
    disabled_at: float | None = None
    #: When the first attempt failed after which none succeeded.
    failing_since: float | None = None


@dataclass(frozen=True)
class Attempt:
    """One call of a receiver, and what came of it."""

    at: float
    latency_ms: int
    #: Of HTTP; None where no answer came, and `error` says why.
    status: int | None = None
    error: str | None = None
    #: The beginning of the answer's body.
    response: str | None = None
    #: Seconds for which the receiver asked to be left alone.
    retry_after: float | None = None

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one webhook."""

    id: str
    webhook_id: str
    batch_id: str | None
    word: str
    body: str
    status: DeliveryStatus
    created_at: float
    delivered_at: float | None
    next_at: float | None
    #: The last ones, oldest first.
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What an attempt means for its delivery and for its webhook."""

    status: DeliveryStatus
    next_at: float | None = None
    disables: Disabled | None = None


def outcome(word: str, tries: int, failing_since: float | None, attempt: Attempt, lot: float) -> Outcome:
    """`tries` with this one, since the event or the last wish to send it again; `lot` from 0 to 1."""
    if attempt.succeeded:
        return Outcome(DeliveryStatus.DELIVERED)
    if attempt.status == _GONE:
        return Outcome(DeliveryStatus.FAILED, disables=Disabled.GONE)
    if word == Word.TEST:
        # Somebody looks at this very attempt; in an hour nobody does.
        return Outcome(DeliveryStatus.FAILED)
    if failing_since is not None and attempt.at - failing_since >= ENOUGH:
        return Outcome(DeliveryStatus.FAILED, disables=Disabled.FAILING)
    if tries > len(DELAYS):
        return Outcome(DeliveryStatus.FAILED)
    return Outcome(DeliveryStatus.PENDING, _next(tries, attempt, lot))


def _next(tries: int, attempt: Attempt, lot: float) -> float:
    ended = attempt.at + attempt.latency_ms / 1000
    wait = DELAYS[tries - 1] * (1 + JITTER * lot)
    asked = attempt.retry_after or 0.0
    return ended + (max(wait, min(asked, LONGEST)) if attempt.status in _PATIENT else wait)


class Due(NamedTuple):
    """A delivery whose time has come."""

    id: str
    receiver: str
    username: str


@dataclass(frozen=True)
class UnderWay:
    """How many calls a process has under way, by receiver and by user."""

    receivers: Mapping[str, int]
    users: Mapping[str, int]

    @property
    def free(self) -> int:
        return PLACES - sum(self.users.values())

    @property
    def full_receivers(self) -> Sequence[str]:
        return [name for name, calls in self.receivers.items() if calls >= PER_RECEIVER]

    @property
    def full_users(self) -> Sequence[str]:
        return [name for name, calls in self.users.items() if calls >= PER_USER]

    def admits(self, due: Sequence[Due]) -> Sequence[Due]:
        """Those of them, in their order, for which there are places."""
        receivers, users = Counter(self.receivers), Counter(self.users)
        admitted: list[Due] = []
        for each in due:
            fits = receivers[each.receiver] < PER_RECEIVER and users[each.username] < PER_USER
            if fits and len(admitted) < self.free:
                admitted.append(each)
                receivers[each.receiver] += 1
                users[each.username] += 1
        return admitted


@dataclass(frozen=True)
class Secret:
    """What deliveries are signed with: `whsec_` and the base64 of 32 bytes."""

    key: str
    #: When it signs no more; None of the present one.
    until: float | None = None

    def __repr__(self) -> str:
        return f"Secret(until={self.until})"


def rotated(known: Sequence[Secret], fresh: str, now: float) -> tuple[Secret, ...]:
    """A new secret, beside which those that still sign do so for a while; the newest is the first."""
    old = [
        replace(secret, until=now + OVERLAP) if secret.until is None else secret
        for secret in signing(known, now)
    ]
    return (Secret(fresh), *old)[:SIGNING]


def signing(known: Sequence[Secret], now: float) -> tuple[Secret, ...]:
    return tuple(secret for secret in known if secret.until is None or secret.until > now)
