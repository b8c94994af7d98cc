"""What a benchmark says at its end: the medians of interleaved rounds, and whether the bar holds."""

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

#: Runs once, and says what it measured: seconds, or things a second.
Round = Callable[[], Awaitable[float]]


@dataclass(frozen=True)
class Bar:
    """How large a ratio has to be, or may be."""

    at_least: float | None = None
    at_most: float | None = None

    def holds(self, ratio: float) -> bool:
        return not (
            (self.at_least is not None and ratio < self.at_least)
            or (self.at_most is not None and ratio > self.at_most)
        )

    def __str__(self) -> str:
        words = [f">= {self.at_least:g}"] if self.at_least is not None else []
        words += [f"<= {self.at_most:g}"] if self.at_most is not None else []
        return " and ".join(words)


async def interleaved(rounds: int, contestants: Mapping[str, Round]) -> dict[str, list[float]]:
    """Every contestant once in each round, the first one another each time: what the machine does besides
    hits all of them alike."""
    measured: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            measured[name].append(await contestants[name]())
    return measured


def spread(values: Sequence[float], unit: str = "") -> str:
    """The median, and how far the rounds lie apart."""
    middle = f"{statistics.median(values):.3g}{unit}"
    return f"{middle} ({min(values):.3g} to {max(values):.3g} in {len(values)} rounds)"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over the rounds of ours by theirs; each round is compared with itself."""
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))


def verdict(name: str, measured: float, bar: Bar) -> int:
    """Prints the last line of a benchmark; the status to exit with."""
    print(f"{name}: {measured:.3f} ({bar})", flush=True)
    return 0 if bar.holds(measured) else 1
