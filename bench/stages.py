"""Where the time of one image goes: the parts between what was seen of it, and what they say together."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.verdict import spread

#: The part that is the backend's own, and over which everything else is counted.
RENDER = "rendered"


@dataclass(frozen=True)
class Parts:
    """Of one image: milliseconds from each moment to the next, by what the next one is called."""

    stages: Mapping[str, float]

    @property
    def over(self) -> float:
        """Everything but the render."""
        return sum(took for stage, took in self.stages.items() if stage != RENDER)


def parted(began: float, moments: Sequence[tuple[str, float]]) -> Parts:
    """Moments in their order, in epoch seconds. Together the parts are the whole time, whatever was seen a
    little late: what one part lacks then, the next one has."""
    seen = [("asked", began), *moments]
    return Parts({name: 1000 * (at - before) for (_, before), (name, at) in pairwise(seen)})


def told(who: str, images: Sequence[Parts]) -> list[str]:
    """A line for all of it and one for each stage; an image is a round."""
    columns = {"over the render": [each.over for each in images]}
    columns |= {stage: [each.stages[stage] for each in images] for stage in images[0].stages}
    return [
        f"{who}, {name}: {spread(values, ' ms')}, p99 {p99(values):.1f} ms"
        for name, values in columns.items()
    ]


def middle(images: Sequence[Parts]) -> float:
    """The median over the render."""
    return statistics.median(each.over for each in images)


def p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]
