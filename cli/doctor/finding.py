"""What a check has found."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

#: Whether a thing is as it should be.
State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. No text of it holds a secret."""

    subject: str
    state: State
    says: str
    #: What to do about it, where it is not as it should be.
    advice: str = ""


#: Looks at one topic. Raises BadSettings, CannotConnect or Outage where that can't be done at all.
Check = Callable[[], Awaitable[Sequence[Finding]]]


def ok(subject: str, says: str) -> Finding:
    return Finding(subject, "ok", says)


def warning(subject: str, says: str, advice: str) -> Finding:
    return Finding(subject, "warning", says, advice)


def wrong(subject: str, says: str, advice: str) -> Finding:
    return Finding(subject, "wrong", says, advice)
