"""How long a subscription rests, and how wide it comes back."""

from messaging.policy import pause
from messaging.rest import JITTER, Rest


async def test_a_fresh_subscription_does_not_rest() -> None:
    rest = Rest(32)
    assert (rest.seconds, rest.width) == (0, 32)


async def test_deliveries_that_meet_the_same_outage_prolong_the_rest_once() -> None:
    rest = Rest(32)
    for _ in range(32):
        rest.outage()
    assert rest.seconds <= pause(1) * (1 + JITTER)
    assert rest.width == 1


async def test_replicas_that_meet_the_same_outage_come_back_one_by_one() -> None:
    rests = [Rest(32) for _ in range(20)]
    for rest in rests:
        rest.outage()
    left = [rest.seconds for rest in rests]
    assert max(left) - min(left) > pause(1) * JITTER / 2
    assert min(left) > pause(1) * (1 - JITTER) - 0.1


async def test_one_success_makes_it_wide_again() -> None:
    rest = Rest(32)
    rest.outage()
    rest.success()
    assert rest.width == 32
