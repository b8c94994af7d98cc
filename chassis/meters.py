"""What every process says of itself to Prometheus, whichever services it holds."""

from collections.abc import Mapping

from prometheus_client import Gauge

READY = Gauge("darkroom_ready", "1 while the service may get work", ["service"])
IN_FLIGHT = Gauge("darkroom_in_flight", "Images that the service is at work on in this process", ["service"])
QUEUED = Gauge(
    "darkroom_queue_messages",
    "Messages that wait in a queue; every replica of its service says so",
    ["queue"],
)
DEAD = Gauge(
    "darkroom_dead_letters", "Dead letters of a queue; every replica of its service says so", ["queue"]
)


def show(service: str, ready: bool, in_flight: int) -> None:
    READY.labels(service).set(ready)
    IN_FLIGHT.labels(service).set(in_flight)


def show_queues(depths: Mapping[str, int], own: Mapping[str, str]) -> None:
    """`own`: queue -> its dead letters. What the broker did not tell of is left as it was."""
    for queue, dead in own.items():
        for gauge, name in ((QUEUED, queue), (DEAD, dead)):
            if name in depths:
                gauge.labels(queue).set(depths[name])
