"""Plots of what benchmarks print: a bar for each contestant with its spread, a panel for each unit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.source import ROOT

FOLDER = ROOT / "bench" / "plots"
#: As `bench.verdict.spread` prints it, after a name and before a unit.
_SPREAD = re.compile(
    r"(?P<name>[^:]+): (?P<middle>[\d.e+]+)(?P<unit> ?[^(]*?) "
    r"\((?P<least>[\d.e+]+) to (?P<most>[\d.e+]+) in \d+ rounds\) ?(?P<what>[^,]*)"
)
OURS, OTHERS = "#20639b", "#a9b4bf"


@dataclass(frozen=True)
class Bar:
    name: str
    middle: float
    least: float
    most: float
    unit: str


def bars(lines: Sequence[str]) -> list[Bar]:
    """What of the lines is a measured value with its spread."""
    found = filter(None, map(_SPREAD.match, lines))
    return [
        Bar(
            each["name"],
            float(each["middle"]),
            float(each["least"]),
            float(each["most"]),
            f"{each['unit']} {each['what']}".strip(),
        )
        for each in found
    ]


def draw(name: str, lines: Sequence[str]) -> Path | None:
    """Where the plot lies; None where there is nothing to draw."""
    units: dict[str, list[Bar]] = {}
    for bar in bars(lines):
        units.setdefault(bar.unit, []).append(bar)
    if not units:
        return None
    import matplotlib  # only whoever draws needs it

    matplotlib.use("Agg")
    # Text stays text: small files, and the reader's own fonts.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "darkroom", "font.size": 9})
    from matplotlib import pyplot

    heights = [len(each) for each in units.values()]
    figure, axes = pyplot.subplots(
        len(units),
        1,
        figsize=(7.5, 0.7 * len(units) + 0.34 * sum(heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for axis, (unit, group) in zip(axes[:, 0], units.items(), strict=True):
        _panel(axis, unit, group)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.svg"
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path


def _panel(axis: object, unit: str, group: Sequence[Bar]) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axis, Axes)
    middles = [bar.middle for bar in group]
    spreads = [
        [bar.middle - bar.least for bar in group],
        [bar.most - bar.middle for bar in group],
    ]
    colours = [OURS if place == 0 else OTHERS for place in range(len(group))]
    axis.barh([bar.name for bar in group], middles, xerr=spreads, color=colours, ecolor="#555555", height=0.6)
    axis.invert_yaxis()
    axis.set_xlabel(unit or "of its rival or limit")
    axis.spines[["top", "right"]].set_visible(False)
    axis.margins(x=0.02)
