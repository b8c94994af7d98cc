"""The Admin API's hourly limit: how many calls are left, and when the count starts again."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate

from sandbox.cloudinary.refusals import Refusal

_HOUR = 3600


class HourlyQuota:
    """Counts calls in whole hours of the clock, as the service does. Used on the event loop only."""

    def __init__(self, limit: int, now: Callable[[], float]) -> None:
        self._limit = limit
        self._now = now
        self._hour = -1
        self._used = 0

    def spend(self) -> dict[str, str]:
        """Count one call and give the `X-FeatureRateLimit-*` headers; raises Refusal 420 past the limit."""
        hour = int(self._now() // _HOUR)
        if hour != self._hour:
            self._hour, self._used = hour, 0
        reset = (hour + 1) * _HOUR
        self._used += 1
        headers = {
            "X-FeatureRateLimit-Limit": str(self._limit),
            "X-FeatureRateLimit-Remaining": str(max(0, self._limit - self._used)),
            "X-FeatureRateLimit-Reset": formatdate(reset, usegmt=True),
        }
        if self._used > self._limit:
            again = datetime.fromtimestamp(reset, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            message = (
                f"Rate Limit Exceeded. Limit of {self._limit} api operations reached. Try again on {again}"
            )
            raise Refusal(420, message, headers)
        return headers
