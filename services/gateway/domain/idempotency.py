"""What a call under an idempotency key comes to, when it was made before or is being made."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

#: Seconds for which a call that is under way is left alone when nothing more is heard of it.
LEASE = 30.0


@dataclass(frozen=True)
class Answer:
    """What a call was answered with."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Kept:
    """What is kept of the first call under a key. Times are epoch seconds."""

    fingerprint: str
    thing: str
    created_at: float
    lease_until: float
    answer: Answer | None = None


@dataclass(frozen=True)
class Proceed:
    """Make what is named `thing`; `resumed` where somebody may have begun to."""

    thing: str
    resumed: bool = False


@dataclass(frozen=True)
class Busy:
    """The first call is under way; ask again after so many seconds."""

    seconds: int


@dataclass(frozen=True)
class OtherBody:
    """The key belongs to a call that asked for something else."""


Verdict = Proceed | Answer | Busy | OtherBody


def verdict(kept: Kept, fingerprint: str, thing: str, now: float, keep: float) -> Verdict:
    """`thing` names what a new first call would make; keys are kept for `keep` seconds."""
    if kept.created_at + keep <= now:
        return Proceed(thing)
    if kept.fingerprint != fingerprint:
        return OtherBody()
    if kept.answer:
        return kept.answer
    if kept.lease_until > now:
        return Busy(math.ceil(kept.lease_until - now))
    return Proceed(kept.thing, resumed=True)
