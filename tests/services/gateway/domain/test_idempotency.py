"""What a call under a key comes to that was made before."""

from dataclasses import replace

import pytest

from services.gateway.domain.idempotency import Answer, Busy, Kept, OtherBody, Proceed, Verdict, verdict

NOW, DAY = 100_000.0, 86_400.0
SAID = Answer(202, {"location": "/v1/batches/b1"}, "{}")
UNDER_WAY = Kept("same", "old", created_at=NOW - 5, lease_until=NOW + 4.2)


@pytest.mark.parametrize(
    ("kept", "fingerprint", "said"),
    [
        (UNDER_WAY, "same", Busy(5)),
        (replace(UNDER_WAY, lease_until=NOW), "same", Proceed("old", resumed=True)),
        (replace(UNDER_WAY, answer=SAID), "same", SAID),
        (replace(UNDER_WAY, answer=SAID), "other", OtherBody()),
        (UNDER_WAY, "other", OtherBody()),
        (replace(UNDER_WAY, created_at=NOW - DAY, answer=SAID), "same", Proceed("new")),
        (replace(UNDER_WAY, created_at=NOW - DAY, answer=SAID), "other", Proceed("new")),
    ],
)
def test_what_a_repeated_call_comes_to(kept: Kept, fingerprint: str, said: Verdict) -> None:
    assert verdict(kept, fingerprint, "new", NOW, DAY) == said
