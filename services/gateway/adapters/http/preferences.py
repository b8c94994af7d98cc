"""`Prefer` of RFC 7240: whether a caller waits, and how long."""

import re
from dataclasses import dataclass
from typing import Self

from services.gateway.adapters.http.codes import CODES
from services.gateway.adapters.http.problems import Problem

#: Seconds that a `Prefer: wait=N` is granted at the most.
LONGEST_WAIT = 300

_SECONDS = re.compile(r"\"?0*([0-9]+)\"?", re.ASCII)


@dataclass(frozen=True)
class Wait:
    """How long a caller said that he waits for the end of what he asks for."""

    #: None where he said nothing of it.
    seconds: int | None
    at_once: bool

    @classmethod
    def preferred(cls, prefer: str | None) -> Self:
        """Raises Problem."""
        said = _preferences(prefer)
        return cls(_seconds(said["wait"]) if "wait" in said else None, "respond-async" in said)

    def patience(self, default: float, longest: float = LONGEST_WAIT) -> float:
        """Seconds to wait. Who wants an answer at once and names seconds too gets it after those."""
        if self.seconds is not None:
            return min(self.seconds, longest)
        return 0 if self.at_once else default

    def headers(self) -> dict[str, str]:
        """What is granted, if anything was asked for."""
        granted = ["respond-async"] if self.at_once else []
        if self.seconds is not None:
            granted.append(f"wait={self.seconds}")
        return {"Preference-Applied": ", ".join(granted)} if granted else {}


def _seconds(asked: str) -> int:
    digits = _SECONDS.fullmatch(asked)
    if digits is None:
        raise Problem("invalid_preference", CODES["invalid_preference"].example)
    # Nine digits are as long as any wait, and can't become a number of a million digits.
    return min(int(digits[1][:9]), LONGEST_WAIT)


def _preferences(prefer: str | None) -> dict[str, str]:
    """Name -> value. Of a preference that is said twice the first counts; its parameters are not ours."""
    said: dict[str, str] = {}
    for each in (prefer or "").split(","):
        name, _, value = each.partition(";")[0].partition("=")
        said.setdefault(name.strip().lower(), value.strip())
    return said
