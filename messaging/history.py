"""How often a message died before: written on its outside, so that one that is replayed keeps its story."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

#: Deaths that are remembered, and characters of the reason of each: headers have to stay small.
MAX_DEATHS, MAX_WORDS = 20, 300


class Death(NamedTuple):
    """One end in a dead-letter queue."""

    #: ISO 8601; empty where nobody wrote it down.
    at: str
    reason: str
    attempts: int

    @property
    def moment(self) -> datetime | None:
        return moment(self.at)


def longer(deaths: Sequence[Death], last: Death) -> tuple[Death, ...]:
    """The newest are kept."""
    return (*deaths, last._replace(reason=last.reason[:MAX_WORDS]))[-MAX_DEATHS:]


def written(deaths: Sequence[Death]) -> str:
    return json.dumps([death._asdict() for death in deaths], separators=(",", ":"))


def read(text: str) -> tuple[Death, ...]:
    """What is not as we write it counts as no history: anybody can send a header."""
    if not text:  # as nearly always
        return ()
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    deaths = [_death(each) for each in told] if isinstance(told, list) else []
    return tuple(death for death in deaths if death)[-MAX_DEATHS:]


def moment(written: str) -> datetime | None:
    """None where nobody, or nobody who knew the time zone, wrote it."""
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return None
    return at if at.tzinfo else None


def speakable(text: str) -> str:
    """JSON can hold halves of characters, which no encoding can say again."""
    return text.encode(errors="replace").decode()


def _death(told: Any) -> Death | None:
    match told:
        case {"at": str(at), "reason": str(reason), "attempts": int(attempts)}:
            return Death(speakable(at[:MAX_WORDS]), speakable(reason[:MAX_WORDS]), attempts)
    return None
