"""Which benchmarks there are, with which words they run, and how long each may take."""

from collections.abc import Sequence
from dataclasses import dataclass

#: Minutes for all of them.
WHOLE_MINUTES, QUICK_MINUTES = 45.0, 10.0


@dataclass(frozen=True)
class Entry:
    """`minutes` are the most that it gets; most need less."""

    name: str
    minutes: float
    quick_minutes: float
    whole: Sequence[str] = ()
    quick: Sequence[str] = ("--quick",)


TIMETABLE = (
    Entry("pipeline", 6, 1.5),
    Entry("reserve", 2, 0.7),
    Entry("indexer", 2, 0.8),
    Entry("job", 5, 1.2),
    Entry("makespan", 6, 1.5),
    Entry("latency", 3, 0.8),
    Entry("uploads", 5, 1.0, quick=("--rounds", "2", "--images", "60")),
    Entry("gateway", 4, 1.0, quick=("--rounds", "3", "--seconds", "2", "--streams", "200")),
    Entry("scale", 5, 1.2),
    Entry("growth", 8, 1.5),
    Entry("page", 3, 0.8),
    Entry("footprint", 2, 1.2),
    Entry(
        "serverless",
        3,
        1.0,
        quick=("--jobs", "300", "--more", "600", "--seconds", "15", "--every", "3", "--workers", "30"),
    ),
)
