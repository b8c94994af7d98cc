"""The port of dead letters: what lies there and why; back to its queue with it, or away."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, Self

from contracts.limits import MAX_BODY
from contracts.topology import Queue
from messaging.envelope import Envelope
from messaging.history import Death, moment, speakable


@dataclass(frozen=True)
class DeadLetter:
    """A message at its end."""

    #: The queue that it died in, not the one it lies in.
    queue: Queue
    envelope: Envelope
    #: Bytes of its body, also where the body was left out.
    size: int
    death: Death
    #: Ends before this one, oldest first: it was replayed after each.
    earlier: tuple[Death, ...]
    batch_id: str | None

    @property
    def id(self) -> str:
        """Names it as long as it lies there; `queue_of` finds the queue in it."""
        return f"{self.queue.name}:{self.envelope.message_id}"

    @property
    def died_at(self) -> datetime | None:
        return self.death.moment

    @property
    def first_seen(self) -> datetime | None:
        """When its first attempt failed."""
        return moment(self.envelope.first_seen or "")

    def bodiless(self) -> Self:
        return replace(self, envelope=replace(self.envelope, body=b""))

    def kept(self) -> Envelope:
        """A copy for the same place, with this end in its history whoever made it."""
        return replace(self.envelope, deaths=(*self.earlier, self.death))


@dataclass(frozen=True)
class Wanted:
    """Which ones; whatever is not said holds for all."""

    #: Names of the queues that they died in.
    queues: frozenset[str] | None = None
    ids: frozenset[str] | None = None
    #: Stands somewhere in why they died, in any case.
    reason: str = ""
    batch_id: str | None = None
    died_before: datetime | None = None
    died_after: datetime | None = None

    def looks_into(self, queue: Queue) -> bool:
        named = None if self.ids is None else {queue_of(each) for each in self.ids}
        return all(names is None or queue.name in names for names in (self.queues, named))

    def matches(self, letter: DeadLetter) -> bool:
        """Where it is not known when a letter died, no age is its own."""
        return (
            self.looks_into(letter.queue)
            and (self.ids is None or letter.id in self.ids)
            and self.reason.casefold() in letter.death.reason.casefold()
            and (self.batch_id is None or letter.batch_id == self.batch_id)
            and self._is_of_that_age(letter.died_at)
        )

    def _is_of_that_age(self, died_at: datetime | None) -> bool:
        if died_at is None:
            return self.died_before is None and self.died_after is None
        return (self.died_before is None or died_at < self.died_before) and (
            self.died_after is None or died_at > self.died_after
        )


@dataclass(frozen=True)
class Found:
    #: Without their bodies; by queue, and as they lie there.
    letters: Sequence[DeadLetter]
    #: Whether there are others beyond the limit.
    more: bool


class DeadLetters(Protocol):
    """The dead letters of every queue. Whoever looks at a queue's has them for himself meanwhile: others wait
    their turn. Each call raises Outage where the broker is away, or somebody else does not stop looking."""

    async def find(self, wanted: Wanted, limit: int) -> Found: ...

    async def show(self, id_: str) -> DeadLetter | None:
        """With its body; None where it is no longer there."""
        ...

    async def replay(self, wanted: Wanted) -> Sequence[str]:
        """Puts them back into their queues with the same ids, their history, and all attempts before them;
        returns the ids that they had here. A crash or an Outage in the middle loses none, and may replay one
        twice, which every handler allows."""
        ...

    async def drop(self, wanted: Wanted) -> Sequence[str]:
        """Forgets them for good; returns their ids."""
        ...


def queue_of(id_: str) -> str:
    """Name of the queue that a dead letter of this id died in."""
    return id_.partition(":")[0]


def told(queue: Queue, envelope: Envelope, by_broker: Death | None = None) -> DeadLetter:
    """What a dead letter says of itself. `by_broker`: how it ended where no consumer of ours buried it."""
    earlier, death = envelope.deaths, by_broker
    if death is None and earlier:
        earlier, death = earlier[:-1], earlier[-1]
    if death is None:
        # Put there by hand, or by a release that wrote no history.
        reason = envelope.last_error or "nobody wrote down why"
        death = Death(envelope.first_seen or "", reason, envelope.attempts)
    return DeadLetter(queue, envelope, len(envelope.body), death, earlier, _batch_of(envelope))


def _batch_of(envelope: Envelope) -> str | None:
    """A plain client says it in the body alone."""
    if envelope.correlation_id or len(envelope.body) > MAX_BODY:
        return envelope.correlation_id
    try:
        said = json.loads(envelope.body)
    except (ValueError, RecursionError):
        return None
    batch_id = said.get("batch_id") if isinstance(said, dict) else None
    return speakable(batch_id) if isinstance(batch_id, str) else None
