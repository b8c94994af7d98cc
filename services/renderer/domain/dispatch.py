"""Who is next, and on which backend."""

import heapq
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from services.renderer.domain.jobs import Key


class Queue(NamedTuple):
    """A user with images waiting, and when the oldest of them was asked for."""

    username: str
    oldest: float


@dataclass(frozen=True)
class Head:
    """An image at the head of its user's queue."""

    key: Key
    username: str
    created_at: float
    index: int
    #: The backend that failed it last.
    avoid: str | None = None
    #: Where a job of it may still run, or be done, unheard of since its backend could not be reached.
    left_at: str | None = None
    remote_id: str | None = None
    receipt: str | None = None


@dataclass(frozen=True)
class Offer:
    """A healthy backend: how many images it may hold, and its measured seconds for one."""

    name: str
    depth: int
    seconds: float | None = None


class Choice(NamedTuple):
    head: Head
    backend: str

    @property
    def known_job(self) -> str | None:
        """The remote job to go on from instead of sending a new one."""
        return self.head.remote_id if self.head.left_at == self.backend else None

    @property
    def known_receipt(self) -> str | None:
        """What that backend calls it."""
        return self.head.receipt if self.known_job is not None else None


def free_slots(offers: Sequence[Offer], busy: Mapping[str, int]) -> int:
    return sum(max(0, offer.depth - busy.get(offer.name, 0)) for offer in offers)


def fairest(queues: Sequence[Queue], in_flight: Mapping[str, int], count: int) -> list[str]:
    """The users who have the next `count` images: fewest in flight first, then longest waiting."""
    ranked = sorted(
        queues, key=lambda queue: (in_flight.get(queue.username, 0), queue.oldest, queue.username)
    )
    return [queue.username for queue in ranked[:count]]


def dispatch(
    heads: Sequence[Head], in_flight: Mapping[str, int], offers: Sequence[Offer], busy: Mapping[str, int]
) -> list[Choice]:
    """Fills the free slots: the user with the fewest images in flight first, then the oldest batch, then its
    order. An image whose every possible backend is taken waits, and does not hold back the next one."""
    flying, load = Counter(in_flight), Counter(busy)
    queues: dict[str, deque[Head]] = {}
    for head in sorted(heads, key=lambda head: (head.created_at, head.key)):
        queues.setdefault(head.username, deque()).append(head)
    turns = [(flying[user], queue[0].created_at, queue[0].key, user) for user, queue in queues.items()]
    heapq.heapify(turns)
    chosen: list[Choice] = []
    while turns and free_slots(offers, load):
        user = heapq.heappop(turns)[-1]
        head = queues[user].popleft()
        backend = _backend(offers, load, head.avoid)
        if backend is not None:
            chosen.append(Choice(head, backend))
            flying[user] += 1
            load[backend] += 1
        if queues[user]:
            following = queues[user][0]
            heapq.heappush(turns, (flying[user], following.created_at, following.key, user))
    return chosen


def places(heads: Sequence[Head], in_flight: Mapping[str, int]) -> dict[Key, int]:
    """Images that are rendered before each of these, as far as anybody can tell now: what runs, and what
    the same order of turns puts first."""
    everything = [Offer("any", len(heads) + 1)]
    running = sum(in_flight.values())
    order = dispatch([replace(head, avoid=None) for head in heads], in_flight, everything, {})
    return {choice.head.key: running + place for place, choice in enumerate(order)}


def _backend(offers: Sequence[Offer], load: Mapping[str, int], avoid: str | None) -> str | None:
    """Where the image is likely to be done first; a backend of unknown speed counts as an average one."""
    elsewhere = [offer for offer in offers if offer.name != avoid] or offers
    free = [offer for offer in elsewhere if load.get(offer.name, 0) < offer.depth]
    known = [offer.seconds for offer in offers if offer.seconds is not None]
    usual = sum(known) / len(known) if known else 1.0

    def rank(offer: Offer) -> tuple[float, float, str]:
        busy = load.get(offer.name, 0)
        return ((busy + 1) * (offer.seconds or usual), busy / offer.depth, offer.name)

    return min(free, key=rank).name if free else None
