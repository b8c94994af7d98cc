"""Where the time of an image goes, from what was seen of it."""

import pytest

from bench.plots import bars
from bench.stages import RENDER, middle, p99, parted, told


def test_the_parts_are_the_whole_time_though_one_moment_was_seen_late() -> None:
    parts = parted(10.0, [("accepted", 10.01), ("begun", 10.05), (RENDER, 10.25), ("seen", 10.24)])
    assert sum(parts.stages.values()) == pytest.approx(240)
    assert parts.stages["seen"] == pytest.approx(-10)


def test_the_render_does_not_count() -> None:
    quick, slow = (
        parted(0.0, [("submitted", 0.02), (RENDER, 0.02 + took), ("seen", 0.03 + took)]) for took in (0.1, 5)
    )
    assert quick.over == pytest.approx(30)
    assert middle([quick, slow]) == pytest.approx(30)


def test_every_stage_is_told_so_that_it_can_be_drawn() -> None:
    images = [parted(0.0, [("accepted", 0.01 * turn), (RENDER, 1.0)]) for turn in (1, 2, 3)]
    lines = told("separate", images)
    assert lines[0] == "separate, over the render: 20 ms (10 to 30 in 3 rounds), p99 30.0 ms"
    drawn = bars(lines)
    assert [bar.name for bar in drawn] == [
        "separate, over the render",
        "separate, accepted",
        "separate, rendered",
    ]
    assert {bar.unit for bar in drawn} == {"ms"}


def test_one_in_a_hundred_lies_beyond_the_ninety_ninth_percentile() -> None:
    assert p99([float(value) for value in range(100)]) == 99
    assert p99([float(value) for value in range(200)]) == 198
