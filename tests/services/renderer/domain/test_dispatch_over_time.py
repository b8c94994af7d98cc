"""What dispatch makes of whole batches: backends at work, at a clock of our own."""

import heapq
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from services.renderer.domain.dispatch import Fond, Head, Offer, dispatch
from services.renderer.domain.jobs import Key

#: Images that a choice looks at, as the job book does.
WINDOW = 256


@dataclass
class Works:
    """Backends at work: when each machine is free, and the images that end."""

    offers: Sequence[Offer]
    fond: Fond = field(default_factory=dict)
    now: float = 0.0
    waiting: list[Head] = field(default_factory=list)
    busy: Counter[str] = field(default_factory=Counter)
    given: Counter[str] = field(default_factory=Counter)
    ends: list[tuple[float, Key, str]] = field(default_factory=list)
    done: dict[Key, float] = field(default_factory=dict)
    #: Seconds that machines had nothing while images waited.
    idle: float = 0.0

    def __post_init__(self) -> None:
        self._free = {offer.name: [0.0] * offer.machines for offer in self.offers}

    def run(self, arrivals: Mapping[float, Sequence[Head]]) -> float:
        """Until all is done; seconds."""
        moments = sorted(arrivals)
        while moments or self.ends:
            following = min([*moments[:1], *(end for end, *_ in self.ends[:1])])
            self._idle(following - self.now)
            self.now = following
            if moments and moments[0] == following:
                self.waiting += arrivals[moments.pop(0)]
            else:
                end, key, backend = heapq.heappop(self.ends)
                self.done[key] = end
                self.busy[backend] -= 1
            self._dispatch()
        assert not self.waiting
        return self.now

    def _dispatch(self) -> None:
        chosen = dispatch(self.waiting[:WINDOW], {}, self.offers, self.busy, {}, self.fond)
        for choice in chosen:
            offer = next(each for each in self.offers if each.name == choice.backend)
            free = heapq.heappop(self._free[offer.name])
            end = max(free, self.now) + (offer.seconds or 1.0)
            heapq.heappush(self._free[offer.name], end)
            heapq.heappush(self.ends, (end, choice.head.key, offer.name))
            self.busy[offer.name] += 1
            self.given[offer.name] += 1
        taken = {choice.head.key for choice in chosen}
        self.waiting = [head for head in self.waiting if head.key not in taken]

    def _idle(self, seconds: float) -> None:
        machines = [free for each in self._free.values() for free in each]
        if self.waiting and any(free <= self.now for free in machines):
            self.idle += seconds


def batch(name: str, quantity: int, wish: str = "") -> list[Head]:
    return [Head(Key(name, n, 1), name, 0.0, n + 1, wish=wish) for n in range(quantity)]


@pytest.mark.parametrize("backends", [1, 4, 16])
@pytest.mark.parametrize("apart", [0.0, 0.01, 0.05])
def test_equal_backends_need_no_longer_than_the_best_schedule(backends: int, apart: float) -> None:
    """Eight batches of eight, one after the other, at backends that hold two images each."""
    bursts = {n * apart: batch(f"b{n}", 8) for n in range(8)} if apart else {0.0: batch("b", 64)}
    works = Works([Offer(f"o{n}", 2, seconds=1.0) for n in range(backends)])
    # Nobody can begin before there is work: what comes first has to be enough for all, else they begin later.
    late = apart * (math.ceil(backends / 8) - 1)
    assert works.run(bursts) <= math.ceil(64 / backends) + late + 1e-9
    assert works.idle == 0


def test_an_endpoint_gets_what_its_machines_can_do_and_the_pods_never_run_dry() -> None:
    """However long a queue it would take: five machines do 140 images in 28 s, its three need 47."""
    works = Works([Offer("pod-1", 2, 1.0), Offer("pod-2", 2, 1.0), Offer("runpod", 100, 1.0, machines=3)])
    assert works.run({0.0: batch("b", 140)}) <= 30
    assert works.idle == 0
    assert 80 <= works.given["runpod"] <= 90


def test_an_endpoint_alone_gets_its_whole_depth_by_which_it_starts_machines() -> None:
    chosen = dispatch(batch("b", 200), {}, [Offer("runpod", 100, 1.0)], {})
    assert len(chosen) == 100


def test_a_slow_backend_with_a_deep_queue_gets_no_more_than_it_does_in_time() -> None:
    """The best there is takes 55 s; one image that is there before the last one ends may come too much."""
    works = Works([Offer("fast", 2, 1.0), Offer("slow", 50, 10.0)])
    assert works.run({0.0: batch("b", 60)}) <= 55 + 10 + 5
    assert works.idle == 0


def test_no_machine_is_idle_while_an_image_waits_for_a_better_one() -> None:
    offers = [Offer("bare", 2, 1.0), Offer("trained", 2, 1.0)]
    works = Works(offers, fond={"opal": {"trained"}})
    assert works.run({0.0: batch("b", 20, "opal")}) == 10
    assert works.idle == 0


def test_images_go_where_their_embedding_is_while_others_take_the_other_slots() -> None:
    offers = [Offer("bare", 2, 1.0), Offer("trained", 2, 1.0)]
    mixed = [*batch("plain", 10), *batch("opal", 10, "opal")]
    works = Works(offers, fond={"opal": {"trained"}})
    held: Counter[tuple[str, str]] = Counter()
    while mixed:
        chosen = dispatch(mixed, {}, offers, {"bare": 0, "trained": 0}, {}, works.fond)
        held.update((choice.head.username, choice.backend) for choice in chosen)
        taken = {choice.head.key for choice in chosen}
        mixed = [head for head in mixed if head.key not in taken]
    assert held["opal", "trained"] == held["plain", "bare"] == 10


@pytest.mark.parametrize(
    ("bare", "trained", "seconds", "expected"),
    [(3, 3, 1.0, ["trained"]), (2, 6, 1.0, ["bare"]), (7, 8, 1.0, []), (1, 8, 0.1, ["bare"])],
    ids=["better", "worth-no-longer-a-wait", "waits-for-the-better-one", "instead-of-running-dry"],
)
def test_an_embedding_is_waited_for_but_not_for_long(
    bare: int, trained: int, seconds: float, expected: list[str]
) -> None:
    offers = [Offer("bare", 8, 1.0), Offer("trained", 8, seconds)]
    busy = {"bare": bare, "trained": trained}
    chosen = dispatch(batch("opal", 1, "opal"), {}, offers, busy, {}, {"opal": {"trained"}})
    assert [choice.backend for choice in chosen] == expected
