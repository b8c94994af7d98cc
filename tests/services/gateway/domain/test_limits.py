"""How much one user, and all of them together, may have under way."""

import pytest

from services.gateway.domain.limits import UNLIMITED, Limits, Load, excess, largest

NOW = 1000.0
LIMITS = Limits(images_per_user=10, batches_per_minute=3, images_in_all=50)


@pytest.mark.parametrize(
    ("load", "quantity", "code"),
    [
        (Load(images=8), 2, None),
        (Load(images=8), 3, "too_many_images"),
        (Load(images=0, batches=2, since=NOW - 1), 1, None),
        (Load(images=0, batches=3, since=NOW - 1), 1, "too_many_batches"),
        (Load(images=0, in_all=45), 5, None),
        (Load(images=0, in_all=45), 6, "queue_full"),
    ],
)
def test_there_is_room_up_to_the_limit_and_no_further(load: Load, quantity: int, code: str | None) -> None:
    found = excess(LIMITS, load, quantity, NOW)
    assert (found.code if found else None) == code


def test_who_asks_too_often_waits_until_the_first_of_a_minute_is_past() -> None:
    found = excess(LIMITS, Load(images=0, batches=3, since=NOW - 12.5), 1, NOW)
    assert found is not None
    assert (found.retry_after, found.limit, found.window) == (48, 3, 60)


def test_an_excess_says_how_much_would_have_been_let_in() -> None:
    found = excess(LIMITS, Load(images=8), 3, NOW)
    assert found is not None
    assert (found.left, found.limit) == (2, 10)


def test_without_limits_there_is_always_room() -> None:
    assert excess(UNLIMITED, Load(10**6, 10**6, NOW, 10**6), 1000, NOW) is None
    assert (largest(UNLIMITED), largest(LIMITS)) == (None, 10)
