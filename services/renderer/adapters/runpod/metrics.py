"""What RunPod's missing idempotency key may cost."""

from prometheus_client import Counter

SECOND_SUBMITS = Counter(
    "darkroom_runpod_second_submits",
    "Jobs sent again because nothing told whether the first arrived; each may be paid for twice",
    ["backend"],
)
