"""How many archives and files are being sent, and how many may be."""

from collections import Counter

from services.gateway.adapters.http.codes import CODES
from services.gateway.adapters.http.problems import Problem

#: Seconds after which it is worth to ask again for a place.
RETRY_AFTER = "30"


class Exports:
    """The places for exports of one process."""

    def __init__(self, places: int, per_user: int, full: str = "too_many_exports") -> None:
        """`full` is the code that tells that there is no place."""
        self._places = places
        self._per_user = per_user
        self._full = full
        self._taken: Counter[str] = Counter()

    def take(self, username: str) -> None:
        """Raises Problem where there is no place."""
        if self._taken[username] >= self._per_user or self._taken.total() >= self._places:
            raise Problem(self._full, CODES[self._full].example, headers={"Retry-After": RETRY_AFTER})
        self._taken[username] += 1

    def leave(self, username: str) -> None:
        self._taken[username] -= 1
        if not self._taken[username]:
            del self._taken[username]
