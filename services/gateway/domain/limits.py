"""How much one user, and all of them together, may have under way."""

import math
from dataclasses import dataclass, replace
from typing import Self

#: Seconds after which it is worth to ask again where images have to come out first.
SOON = 30
#: Seconds that batches are counted over.
WINDOW = 60.0


@dataclass(frozen=True)
class Limits:
    """None: as many as one likes."""

    images_per_user: int | None = None
    batches_per_minute: int | None = None
    images_in_all: int | None = None


UNLIMITED = Limits()


@dataclass(frozen=True)
class Load:
    """What is under way when a batch is asked for."""

    #: The user's images that have not ended.
    images: int
    #: The user's batches of the last minute, and when the first of them was made, epoch seconds.
    batches: int = 0
    since: float | None = None
    #: Everybody's images that have not ended.
    in_all: int = 0

    def with_batch(self, quantity: int, now: float) -> Self:
        """After one more was accepted."""
        since = now if self.since is None else self.since
        images, in_all = self.images + quantity, self.in_all + quantity
        return replace(self, images=images, batches=self.batches + 1, since=since, in_all=in_all)


@dataclass(frozen=True)
class Excess:
    """Why not now, by a code of the HTTP interface."""

    code: str
    detail: str
    retry_after: int
    limit: int
    #: How many more would have been let in.
    left: int = 0
    window: int | None = None


def excess(limits: Limits, load: Load, quantity: int, now: float) -> Excess | None:
    """None where `quantity` more images may be asked for."""
    return _of_user(limits, load, quantity) or _of_rate(limits, load, now) or _of_all(limits, load, quantity)


def largest(limits: Limits) -> int | None:
    """The most images that can ever be asked for at once."""
    known = [limit for limit in (limits.images_per_user, limits.images_in_all) if limit is not None]
    return min(known, default=None)


def _of_user(limits: Limits, load: Load, quantity: int) -> Excess | None:
    limit = limits.images_per_user
    if limit is None or load.images + quantity <= limit:
        return None
    detail = f"{load.images} of {limit} images are outstanding; {quantity} more have to wait until some end"
    return Excess("too_many_images", detail, SOON, limit, max(limit - load.images, 0))


def _of_rate(limits: Limits, load: Load, now: float) -> Excess | None:
    limit = limits.batches_per_minute
    if limit is None or load.batches < limit:
        return None
    left = WINDOW if load.since is None else load.since + WINDOW - now
    detail = f"{load.batches} batches were asked for in the last minute; at most {limit} may be"
    return Excess("too_many_batches", detail, max(1, math.ceil(left)), limit, window=int(WINDOW))


def _of_all(limits: Limits, load: Load, quantity: int) -> Excess | None:
    limit = limits.images_in_all
    if limit is None or load.in_all + quantity <= limit:
        return None
    return Excess("queue_full", f"{load.in_all} images of everybody wait; come back later", SOON, limit)
