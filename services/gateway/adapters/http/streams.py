"""How many event streams are open, and how many may be."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from prometheus_client import Gauge

from services.gateway.adapters.http.problems import Problem

OPEN = Gauge("darkroom_event_streams", "Event streams that are open")

#: Seconds after which it is worth to ask again for a stream.
RETRY_AFTER = "10"


class Streams:
    """The places for streams of one process."""

    def __init__(self, places: int, per_user: int) -> None:
        self._places = places
        self._per_user = per_user
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, username: str) -> Iterator[Callable[[], None]]:
        """A place for one stream of this user, to be left at the end of the context or earlier, by a call of
        what is given. Raises Problem where there is none."""
        if self._taken[username] >= self._per_user:
            raise _too_many(f"{self._per_user} streams of this user are open; close one")
        if self._taken.total() >= self._places:
            raise _too_many("all streams of this process are taken; look at the batch itself meanwhile")
        with ExitStack() as place:
            self._taken[username] += 1
            place.callback(self._left, username)
            place.enter_context(OPEN.track_inprogress())
            yield place.close

    def _left(self, username: str) -> None:
        self._taken[username] -= 1
        if not self._taken[username]:
            del self._taken[username]


def _too_many(detail: str) -> Problem:
    return Problem("too_many_streams", detail, headers={"Retry-After": RETRY_AFTER})
