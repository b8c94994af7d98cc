"""`Prefer` of RFC 7240: whether a caller waits, and how long."""

import re

from services.gateway.adapters.http.problems import Problem

#: Seconds that a `Prefer: wait=N` is granted at the most.
LONGEST_WAIT = 300

_WAIT = re.compile(r"wait\s*=\s*\"?([0-9]{1,9})\"?")


def responds_async(prefer: str | None) -> bool:
    return "respond-async" in _tokens(prefer)


def wait_seconds(prefer: str | None) -> int | None:
    """Seconds of a wait that was asked for, at most LONGEST_WAIT; None where none was. Raises Problem."""
    for token in _tokens(prefer):
        if token.startswith("wait"):
            asked = _WAIT.fullmatch(token)
            if asked is None:
                raise Problem(400, "invalid_preference", "write Prefer: wait=N with N in whole seconds")
            return min(int(asked[1]), LONGEST_WAIT)
    return None


def _tokens(prefer: str | None) -> list[str]:
    return [token.strip().lower() for token in re.split("[,;]", prefer or "") if token.strip()]
