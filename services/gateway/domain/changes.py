"""What a look into the event log means for a stream of events, and how a stream's positions are written.

A stream sends what is true now, never what was logged: the log only says of what.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

# No id has more digits than a 64-bit integer.
_WRITTEN = re.compile(r"([0-9]{1,18})(\.end)?", re.ASCII)


@dataclass(frozen=True)
class Change:
    """One row of the event log."""

    id: int
    #: None where the batch itself changed: it was accepted, numbered, refused, cancelled or tried again.
    ordinal: int | None


@dataclass(frozen=True)
class Position:
    """How far somebody has read: everything up to this change, and the batch's end if that was said."""

    id: int
    ended: bool = False

    def __str__(self) -> str:
        return f"{self.id}.end" if self.ended else str(self.id)

    @classmethod
    def read(cls, written: str | None) -> Self | None:
        """None for what is no position."""
        parts = _WRITTEN.fullmatch(written or "")
        return cls(int(parts[1]), parts[2] is not None) if parts else None


def images_told(changes: Sequence[Change]) -> Mapping[int, int] | None:
    """Ordinal -> id of its last change, in the order of these: whoever has got an image and its id lacks
    nothing that was logged before. None where the batch itself changed, and is to be told as a whole."""
    last: dict[int, int] = {}
    for change in sorted(changes, key=lambda change: change.id):
        if change.ordinal is None:
            return None
        last.pop(change.ordinal, None)
        last[change.ordinal] = change.id
    return last
