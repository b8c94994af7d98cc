"""Who is next, and on which backend."""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
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
#: The key of a wish -> the backends that do it better than others; none where it is not named.
Fond = Mapping[str, Collection[str]]
#: Renders that an image waits longer for a backend that does it better.
FONDNESS = 2.0
#: Images that a backend is given for each of its machines however fast the others are: one renders, the next
#: one is there before it ends.
EAGER = 2


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
    """A healthy backend: how many images it may hold, its measured seconds for one, and how many machines it
    has, each of which renders one image at a time."""

    name: str
    depth: int
    seconds: float | None = None
    machines: int = 1

    @property
    def eager(self) -> int:
        """Images that it gets in any case, so that none of its machines is idle while an image waits."""
        return min(self.depth, EAGER * self.machines)


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


def holds_back(offers: Sequence[Offer], busy: Mapping[str, int], fond: Fond) -> bool:
    """Whether an image may be better off waiting than in a free slot, so that a choice must know more images
    than there are slots."""
    deep = (max(offer.eager, busy.get(offer.name, 0)) < offer.depth for offer in offers)
    return any(fond.values()) or any(deep)


def dispatch(
    heads: Sequence[Head],
    in_flight: Mapping[str, int],
    offers: Sequence[Offer],
    busy: Mapping[str, int],
    takers: Takers | None = None,
    fond: Fond | None = None,
) -> list[Choice]:
    """Fills the free slots: the user with the fewest images in flight first, then the oldest batch, then its
    order. An image whose every possible backend is taken waits, and does not hold back the next one.

    First each image gets its turn for the backend that would have it done first, and waits where that one is
    full: a long queue at a slow backend would end after the fast ones have long run dry. Then those that wait
    fill what would else be idle."""
    plan = _Plan(offers, busy, takers or {}, fond or {})
    chosen = _turns(heads, in_flight, plan, plan.first_done)
    taken = {choice.head.key for choice in chosen}
    flying = Counter(in_flight) + Counter(choice.head.username for choice in chosen)
    return chosen + _turns([head for head in heads if head.key not in taken], flying, plan, plan.idle)


def _turns(
    heads: Sequence[Head],
    in_flight: Mapping[str, int],
    plan: "_Plan",
    choose: Callable[[Head], "_Place | None"],
) -> list[Choice]:
    """Each head is asked for its place in the order of turns, while there are free slots."""
    flying = Counter(in_flight)
    queues: dict[str, deque[Head]] = {}
    for head in sorted(heads, key=lambda head: (head.created_at, head.key)):
        queues.setdefault(head.username, deque()).append(head)
    turns = [(flying[user], queue[0].created_at, queue[0].key, user) for user, queue in queues.items()]
    heapq.heapify(turns)
    chosen: list[Choice] = []
    while turns and plan.free:
        user = heapq.heappop(turns)[-1]
        head = queues[user].popleft()
        place = choose(head)
        if place is not None:
            flying[user] += 1
            if place.now:
                chosen.append(Choice(head, place.backend))
        if queues[user]:
            following = queues[user][0]
            heapq.heappush(turns, (flying[user], following.created_at, following.key, user))
    return chosen


class _Place(NamedTuple):
    """Where an image goes: now, or once there is room."""

    backend: str
    now: bool


class _Plan:
    """What each backend holds while choices are made, and what waits for it."""

    def __init__(self, offers: Sequence[Offer], busy: Mapping[str, int], takers: Takers, fond: Fond) -> None:
        self._offers = offers
        self._takers = takers
        self._fond = fond
        self._held = {offer.name: busy.get(offer.name, 0) for offer in offers}
        self._awaited: Counter[str] = Counter()
        known = [offer.seconds for offer in offers if offer.seconds is not None]
        #: A backend of unknown speed counts as an average one.
        self._usual = sum(known) / len(known) if known else 1.0
        self.free = free_slots(offers, busy)

    def first_done(self, head: Head) -> _Place | None:
        """The backend where it is likely to be done first, although others may have to wait for it."""
        fit = self._fit(head)
        if not fit:
            return None
        best = min(fit, key=lambda offer: self._rank(offer, head))
        if self._held[best.name] < best.depth:
            return self._take(best)
        self._awaited[best.name] += 1
        return _Place(best.name, now=False)

    def idle(self, head: Head) -> _Place | None:
        """A backend that would run dry, if there is one."""
        dry = [offer for offer in self._fit(head) if self._held[offer.name] < offer.eager]
        return self._take(min(dry, key=lambda offer: self._rank(offer, head))) if dry else None

    def _take(self, offer: Offer) -> _Place:
        self._held[offer.name] += 1
        self.free -= 1
        return _Place(offer.name, now=True)

    def _fit(self, head: Head) -> Sequence[Offer]:
        names = self._takers.get(head.wish)
        fit = self._offers if names is None else [offer for offer in self._offers if offer.name in names]
        return [offer for offer in fit if offer.name != head.avoid] or fit

    def _rank(self, offer: Offer, head: Head) -> tuple[float, float, str]:
        """Seconds until it would be done there. On equal terms the backend with less to do is taken."""
        seconds = offer.seconds or self._usual
        load = self._held[offer.name] + self._awaited[offer.name]
        due = max(1.0, (load + 1) / offer.machines) * seconds
        fond = self._fond.get(head.wish, ())
        worse = FONDNESS * self._usual if fond and offer.name not in fond else 0.0
        return (due + worse, load / offer.machines, offer.name)


def places(heads: Sequence[Head], in_flight: Mapping[str, int]) -> dict[Key, int]:
    """Images that are rendered before each of these, as far as anybody can tell now: what runs, and what
    the same order of turns puts first."""
    everything = [Offer("any", len(heads) + 1)]
    running = sum(in_flight.values())
    order = dispatch([replace(head, avoid=None) for head in heads], in_flight, everything, {})
    return {choice.head.key: running + place for place, choice in enumerate(order)}
