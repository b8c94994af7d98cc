"""Who is next, and on which backend."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.renderer.domain.dispatch import (
    Head,
    Offer,
    Queue,
    dispatch,
    fairest,
    free_slots,
    holds_back,
    open_to,
    places,
)
from services.renderer.domain.jobs import Key


def head(user: str, ordinal: int, created_at: float = 0.0, avoid: str | None = None) -> Head:
    return Head(Key(f"batch-{user}", ordinal, 1), user, created_at, ordinal + 1, avoid=avoid)


def test_the_user_with_the_fewest_images_in_flight_is_next() -> None:
    heads = [head("areg", n) for n in range(4)] + [head("berta", n, created_at=9.0) for n in range(4)]
    chosen = dispatch(heads, {"areg": 2}, [Offer("one", 4)], {"one": 1})
    assert [choice.head.username for choice in chosen] == ["berta", "berta", "areg"]


def test_the_backend_that_will_be_done_first_is_taken() -> None:
    offers = [Offer("slow", 4, seconds=10.0), Offer("fast", 4, seconds=1.0)]
    assert [choice.backend for choice in dispatch([head("a", n) for n in range(4)], {}, offers, {})] == [
        "fast"
    ] * 4
    equal = [Offer("x", 2), Offer("y", 2)]
    assert [choice.backend for choice in dispatch([head("a", n) for n in range(4)], {}, equal, {})] == list(
        "xyxy"
    )


def test_the_backend_that_failed_an_image_is_avoided_while_there_is_another() -> None:
    avoiding = head("a", 0, avoid="one")
    both = [Offer("one", 1), Offer("two", 1)]
    assert dispatch([avoiding], {}, both, {})[0].backend == "two"
    assert dispatch([avoiding], {}, both, {"two": 1}) == []
    assert dispatch([avoiding], {}, both[:1], {})[0].backend == "one"


def test_an_image_without_a_backend_does_not_hold_back_the_next_one() -> None:
    heads = [head("a", 0, avoid="one"), head("a", 1)]
    chosen = dispatch(heads, {}, [Offer("one", 1), Offer("two", 1)], {"two": 1})
    assert [choice.head.key.ordinal for choice in chosen] == [1]


def test_of_many_users_those_are_looked_at_who_can_be_next() -> None:
    queues = [Queue("late", "", 9.0), Queue("early", "", 1.0), Queue("busy", "", 0.0)]
    assert [queue.username for queue in fairest(queues, {"busy": 1}, 2)] == ["early", "late"]


def test_a_users_many_queues_count_as_many_images() -> None:
    """Whoever asks for fifty models at once is not ahead of whoever asks for one."""
    many = [Queue("many", f"w{n}", float(n)) for n in range(50)]
    one = Queue("one", "w", 99.0)
    assert fairest([*many, one], {}, 2) == [many[0], one]
    assert fairest([*many, one], {"one": 1}, 3) == [many[0], many[1], one]


def test_a_queue_that_no_free_slot_can_serve_stands_in_nobodys_way() -> None:
    waiting = [Queue("a", "rare", 0.0), Queue("a", "plain", 1.0), Queue("b", "", 2.0)]
    offers = [Offer("poor", 1), Offer("rich", 1)]
    takers = {"rare": {"rich"}, "plain": {"poor", "rich"}}
    assert open_to(waiting, offers, {}, takers) == waiting
    assert open_to(waiting, offers, {"rich": 1}, takers) == waiting[1:]
    assert open_to(waiting, offers, {"rich": 1, "poor": 1}, takers) == []
    assert open_to(waiting, offers, {}, {"rare": frozenset(), "plain": frozenset()}) == waiting[2:]


def test_an_image_goes_only_where_it_can_be_done() -> None:
    offers = [Offer("poor", 4, seconds=1.0), Offer("rich", 1, seconds=9.0)]
    rare = [replace(head("a", n), wish="rare") for n in range(2)]
    chosen = dispatch([*rare, head("a", 2)], {}, offers, {}, {"rare": {"rich"}})
    assert [(choice.head.key.ordinal, choice.backend) for choice in chosen] == [(0, "rich"), (2, "poor")]


def test_the_only_backend_that_can_do_it_gets_it_again() -> None:
    again = replace(head("a", 0, avoid="rich"), wish="rare")
    chosen = dispatch([again], {}, [Offer("poor", 1), Offer("rich", 1)], {}, {"rare": {"rich"}})
    assert [choice.backend for choice in chosen] == ["rich"]


def test_places_in_the_queue_follow_the_same_turns() -> None:
    heads = [head("areg", n) for n in range(3)] + [head("berta", 0, created_at=9.0)]
    assert places(heads, {"areg": 2}) == {
        Key("batch-berta", 0, 1): 2,
        Key("batch-areg", 0, 1): 3,
        Key("batch-areg", 1, 1): 4,
        Key("batch-areg", 2, 1): 5,
    }


offers_of = st.lists(st.tuples(st.integers(1, 4), st.none() | st.floats(0.1, 50)), max_size=4).map(
    lambda made: [Offer(f"o{n}", depth, seconds) for n, (depth, seconds) in enumerate(made)]
)
heads_of = st.lists(
    st.tuples(st.sampled_from("abc"), st.floats(0, 9), st.none() | st.sampled_from(["o0", "o1"]))
)


@given(offers_of, heads_of, st.dictionaries(st.sampled_from(["o0", "o1", "o2"]), st.integers(0, 3)))
def test_no_depth_is_exceeded_and_no_image_is_chosen_twice(
    offers: list[Offer], made: list[tuple[str, float, str | None]], busy: dict[str, int]
) -> None:
    heads = [head(user, n, at, avoid) for n, (user, at, avoid) in enumerate(made)]
    chosen = dispatch(heads, {}, offers, busy)
    assert len({choice.head.key for choice in chosen}) == len(chosen)
    load = Counter(busy) + Counter(choice.backend for choice in chosen)
    for offer in offers:
        assert load[offer.name] <= max(offer.depth, busy.get(offer.name, 0))
    if not any(each.avoid for each in heads) and len(chosen) < min(len(heads), free_slots(offers, busy)):
        # Who waits could only get into a long queue.
        assert all(load[offer.name] >= offer.eager for offer in offers)


def test_more_images_than_slots_are_looked_at_where_one_may_be_better_off_waiting() -> None:
    pod, endpoint = Offer("pod", 2), Offer("runpod", 100, machines=3)
    assert not holds_back([pod], {}, {})
    assert not holds_back([pod, endpoint], {"runpod": 100}, {})
    assert holds_back([pod, endpoint], {"runpod": 99}, {})
    assert holds_back([pod], {}, {"opal": {"pod"}})


def test_each_machine_of_a_backend_has_the_next_image_before_it_ends_one() -> None:
    assert [Offer("x", depth, machines=machines).eager for depth, machines in [(1, 1), (4, 1), (9, 3)]] == [
        1,
        2,
        6,
    ]
