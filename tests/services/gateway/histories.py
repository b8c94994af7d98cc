"""Histories of one batch for property tests: any events, and any order of them with repetitions."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.message import Message
from tests.services.gateway.events import FIRST, deleted, failed, moved, rejected, reserved, stored

QUANTITY = 3
ORDINALS, ROUNDS = st.integers(0, QUANTITY - 1), st.integers(1, 3)


@st.composite
def _stored(draw: st.DrawFn) -> Message:
    ordinal = draw(ORDINALS)
    return stored(
        ordinal,
        draw(ROUNDS),
        placeholder=draw(st.booleans()),
        version=draw(st.integers(1, 2)),
        index=FIRST + ordinal + draw(st.sampled_from([0, 30])),
    )


EVENTS: st.SearchStrategy[Message] = st.one_of(
    st.just(reserved(quantity=QUANTITY)),
    st.just(rejected()),
    _stored(),
    _stored(),
    st.builds(
        failed,
        ORDINALS,
        ROUNDS,
        st.sampled_from(["gpu_failed", "cancelled"]),
        follows=st.booleans(),
        stage=st.sampled_from(["render", "store"]),
    ),
    st.builds(lambda ordinal, round_: moved(ordinal, FIRST + ordinal + 30, round_), ORDINALS, ROUNDS),
    st.builds(
        lambda ordinal, further: deleted(FIRST + ordinal + further), ORDINALS, st.sampled_from([0, 30])
    ),
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Message], list[Message]]:
    """Some events, and the same ones in another order with some of them repeated."""
    once = draw(st.lists(EVENTS, min_size=1, max_size=10))
    again = draw(st.lists(st.sampled_from(once), max_size=5))
    return once, draw(st.permutations(once + again))


def thirty_histories(test: Callable[..., Any]) -> Callable[..., Any]:
    """Runs the test with thirty of them, the same each time, as its `history`."""
    health = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    same = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=health)
    return same(given(history=histories())(test))
