"""Who is next, and on which backend."""

import heapq
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from services.renderer.domain.jobs import Key


class Queue(NamedTuple):
    """Images of one user that wait and need the same of a backend; when the oldest was asked for."""

    username: str
    #: The key of their wish; empty for images of before wishes were noted, which any backend gets.
    wish: str
    oldest: float

    @property
    def lane(self) -> str:
        return lane_of(self.username, self.wish)


def lane_of(username: str, wish: str) -> str:
    """One text for both, by which the job book keeps its waiting rows apart: no username has a slash."""
    return f"{username}/{wish}"


#: The key of a wish -> the backends that may get its images now; any backend where it is not named.
Takers = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Head:
    """An image at the head of its user's queue."""

    key: Key
    username: str
    created_at: float
    index: int
    wish: str = ""
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
    def leaves_job(self) -> bool:
        """Whether a job of this image stays behind at another backend."""
        return self.head.remote_id is not None and self.known_job is None

    @property
    def known_receipt(self) -> str | None:
        """What that backend calls it."""
        return self.head.receipt if self.known_job is not None else None


def free_slots(offers: Sequence[Offer], busy: Mapping[str, int]) -> int:
    return sum(max(0, offer.depth - busy.get(offer.name, 0)) for offer in offers)


def open_to(
    queues: Sequence[Queue], offers: Sequence[Offer], busy: Mapping[str, int], takers: Takers
) -> list[Queue]:
    """Those whose images a free slot could take: the others must not stand in anybody's way."""
    free = {offer.name for offer in offers if busy.get(offer.name, 0) < offer.depth}
    return [queue for queue in queues if not free.isdisjoint(takers.get(queue.wish, free))]


def fairest(queues: Sequence[Queue], in_flight: Mapping[str, int], count: int) -> list[Queue]:
    """The queues that the next `count` images come from: of the users with the fewest in flight first, then
    of those who wait longest. A user's second queue counts as one image more, so that nobody gets ahead by
    having many."""
    before: Counter[str] = Counter(in_flight)
    turns: list[tuple[int, Queue]] = []
    for queue in sorted(queues, key=lambda queue: (queue.oldest, queue.lane)):
        turns.append((before[queue.username], queue))
        before[queue.username] += 1
    ranked = sorted(turns, key=lambda turn: (turn[0], turn[1].oldest, turn[1].lane))
    return [queue for _, queue in ranked[:count]]


def dispatch(
    heads: Sequence[Head],
    in_flight: Mapping[str, int],
    offers: Sequence[Offer],
    busy: Mapping[str, int],
    takers: Takers | None = None,
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
        backend = _backend(_fit(offers, head, takers or {}), load, head.avoid)
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


def _fit(offers: Sequence[Offer], head: Head, takers: Takers) -> Sequence[Offer]:
    names = takers.get(head.wish)
    return offers if names is None else [offer for offer in offers if offer.name in names]


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
