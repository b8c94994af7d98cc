import pytest

from sandbox.cloudinary.quota import HourlyQuota
from sandbox.cloudinary.refusals import Refusal


def test_past_the_limit_calls_are_420_with_the_time_of_the_next_hour_and_then_taken_again() -> None:
    moment = [7200.0 + 60]
    quota = HourlyQuota(2, lambda: moment[0])
    assert [quota.spend()["X-FeatureRateLimit-Remaining"] for _ in range(2)] == ["1", "0"]
    with pytest.raises(
        Refusal, match=r"Limit of 2 api operations reached\. Try again on 1970-01-01 03:00:00"
    ) as caught:
        quota.spend()
    assert caught.value.status == 420
    assert caught.value.headers["X-FeatureRateLimit-Reset"] == "Thu, 01 Jan 1970 03:00:00 GMT"
    moment[0] = 3 * 3600
    assert quota.spend()["X-FeatureRateLimit-Remaining"] == "1"
