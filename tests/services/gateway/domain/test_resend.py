"""When a command that nobody answered is sent again."""

import pytest

from contracts.commands import RetryImages
from services.gateway.domain.resend import answered, next_send, quiet_until

MINUTE, HOUR = 60.0, 3600.0


@pytest.mark.parametrize(
    ("sends", "wait"),
    [(1, 15 * MINUTE), (2, 30 * MINUTE), (3, HOUR), (5, 4 * HOUR), (6, 6 * HOUR), (1000, 6 * HOUR)],
)
def test_resend_waits_15_minutes_then_doubles_to_6_hours(sends: int, wait: float) -> None:
    assert next_send(1000.0, sends) == 1000.0 + wait


def test_resend_waits_until_nothing_was_heard_for_15_minutes() -> None:
    assert quiet_until(1000.0, 1000.0 + 14 * MINUTE) == 1000.0 + 15 * MINUTE
    assert quiet_until(1000.0, 1000.0 + 15 * MINUTE) is None
    assert quiet_until(None, 0.0) is None


def test_a_retry_is_answered_when_every_image_that_it_names_has_ended() -> None:
    retry = RetryImages(batch_id="b1", round=2, ordinals=(0, 2))
    assert answered(retry, {1, 3})
    assert not answered(retry, {1, 2})
