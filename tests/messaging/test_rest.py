"""How long a subscription rests, and how wide it comes back."""

from messaging.rest import Rest


async def test_a_fresh_subscription_does_not_rest() -> None:
    rest = Rest(32)
    assert (rest.seconds, rest.width) == (0, 32)


async def test_deliveries_that_meet_the_same_outage_prolong_the_rest_once() -> None:
    rest = Rest(32)
    for _ in range(32):
        rest.outage()
    assert 0.9 < rest.seconds <= 1
    assert rest.width == 1


async def test_one_success_makes_it_wide_again() -> None:
    rest = Rest(32)
    rest.outage()
    rest.success()
    assert rest.width == 32
