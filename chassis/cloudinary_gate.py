"""One API of an account as its answers show it: what troubles it, and when it may be asked again."""

import random
from collections.abc import Callable

from chassis.cloudinary_answers import Limited, Unauthorized
from messaging.errors import Outage

#: Seconds of rest after the first, second, ... used-up quota in a row that does not say when it ends.
LIMITED_RESTS = (1.0, 5.0, 15.0, 60.0, 300.0)
#: The same for a refused account: mended credentials and clocks should be noticed soon.
UNAUTHORIZED_RESTS = (2.0, 5.0, 15.0, 30.0)
#: A quota is for an hour; a reset told to be later than this is a wrong clock, here or there.
LONGEST_LIMIT = 3900.0
#: Seconds over which processes spread that wait for the same reset.
SPREAD = 5.0
#: Seconds without a call after which an API in trouble is asked again, for the first, second, ... time.
ASKING_RESTS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)


class Gate:
    """Closed by a used-up quota or a refused account; whoever knocks meanwhile costs no call."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._refusals = 0
        self._closed_until = 0.0
        self._why: Outage | None = None
        self._failed_at = 0.0
        self._asked = 0

    def pass_through(self) -> None:
        """Raises what closed the gate, as long as it is closed."""
        if self._why is not None and self._clock() < self._closed_until:
            raise _bare(self._why)

    def answered(self) -> None:
        self._refusals, self._closed_until, self._why, self._asked = 0, 0.0, None, 0

    def failed(self, why: Outage) -> None:
        """Calls that were under way together, and are refused together, lengthen the rest once."""
        now = self._clock()
        if isinstance(why, Limited | Unauthorized):
            self._refusals += now >= self._closed_until
            self._closed_until = max(self._closed_until, now + self._rest(why, now))
        elif now < self._closed_until:
            return  # a straggler's misfortune; what closed the gate is the greater trouble
        self._why, self._failed_at = _bare(why), now

    @property
    def trouble(self) -> Outage | None:
        """Why the last call got no answer, None once one did."""
        return self._why

    def asks(self) -> bool:
        """Whether it is time to ask once more, since nobody else does. Whoever is told so asks; the next
        time comes later."""
        rest = ASKING_RESTS[min(self._asked, len(ASKING_RESTS) - 1)] * _chance()
        due = self._why is not None and self._clock() >= max(self._closed_until, self._failed_at + rest)
        self._asked += due
        return due

    def _rest(self, why: Limited | Unauthorized, now: float) -> float:
        if isinstance(why, Limited) and why.resets_at is not None:
            return min(max(0.0, why.resets_at - now), LONGEST_LIMIT) + (_chance() - 0.75) * 2 * SPREAD
        rests = LIMITED_RESTS if isinstance(why, Limited) else UNAUTHORIZED_RESTS
        return rests[min(self._refusals, len(rests)) - 1] * _chance()


def _chance() -> float:
    """A factor between 0.75 and 1.25, which spreads processes and guards nothing."""
    return 0.75 + random.random() / 2  # noqa: S311


def _bare(why: Outage) -> Outage:
    """The same without its trace, which would keep the bytes of an upload in memory."""
    return Limited(str(why), why.resets_at) if isinstance(why, Limited) else type(why)(str(why))
