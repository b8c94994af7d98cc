"""What bounds a service that runs in several processes."""

import pytest

from bench.scale import Step, bounds, told


def steps(*found: tuple[int, float, float, float]) -> list[Step]:
    return [Step(processes, [rate], busy, cost) for processes, rate, busy, cost in found]


def test_twice_the_processes_with_twice_the_rate_is_linear() -> None:
    assert bounds(steps((1, 100, 0.4, 2.0), (2, 190, 0.8, 2.0)), 1, None)["linear"] == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("rate", "busy", "cost", "near"),
    [
        (100.0, 0.95, 2.0, 0.95),  # full, and everything is as it was
        (100.0, 0.5, 2.0, 0.5),  # half of the machine rests
        (60.0, 1.0, 2.0, 0.6),  # full, and slower than one process
        (100.0, 1.0, 4.0, 0.5),  # full of what one process did not have to do
    ],
)
def test_full_cores_are_a_reason_only_where_nothing_gets_slower_or_dearer(
    rate: float, busy: float, cost: float, near: float
) -> None:
    assert bounds(steps((1, 100, 0.9, 2.0), (2, rate, busy, cost)), 1, None)["cores"] == pytest.approx(near)


def test_the_least_of_the_steps_counts(capsys: pytest.CaptureFixture[str]) -> None:
    found = steps((1, 40, 0.5, 2.0), (2, 78, 0.9, 2.0), (4, 79, 0.6, 3.0))
    assert told("renderer", "images", found, 80.0) == pytest.approx(78 / 80)
    assert capsys.readouterr().out.splitlines()[::2] == [
        "1 renderer: 40 (40 to 40 in 1 rounds) images/s",
        "2 renderers: 78 (78 to 78 in 1 rounds) images/s",
        "4 renderers: 79 (79 to 79 in 1 rounds) images/s",
    ]
