"""What is read from the words of a benchmark."""

import pytest

from bench.plots import Bar as Drawn
from bench.plots import bars
from bench.results import Outcome, Verdict
from bench.timetable import QUICK_MINUTES, TIMETABLE, WHOLE_MINUTES
from bench.verdict import Bar, spread, verdict


def told(*lines: str, status: int | None = 0) -> Outcome:
    return Outcome("uploads", (), status, 1.0, lines)


def test_every_verdict_is_found_as_it_was_printed(capsys: pytest.CaptureFixture[str]) -> None:
    verdict("uploads, storage takes 100 ms", 0.98765, Bar(at_least=0.9))
    verdict("growth", 1.3, Bar(at_least=0.8, at_most=1.2))
    lines = capsys.readouterr().out.splitlines()
    found = told("ours: 3.2 (3 to 4 in 3 rounds) uploads/s", *lines).verdicts()
    assert found == [
        Verdict("uploads, storage takes 100 ms", 0.988, ">= 0.9"),
        Verdict("growth", 1.3, ">= 0.8 and <= 1.2"),
    ]
    assert [each.holds for each in found] == [True, False]


def test_a_measured_value_is_found_with_its_spread_and_its_unit() -> None:
    rates = f"bare: {spread([1500.0, 1400.0, 1700.0])} items/s, 0.3 ms of processor each"
    answers = f"p99 of it: {spread([3.0, 2.0, 9.0], ' ms')}"
    assert bars([rates, answers, "gateway: 0.612 (>= 0.5)"]) == [
        Drawn("bare", 1500.0, 1400.0, 1700.0, "items/s"),
        Drawn("p99 of it", 3.0, 2.0, 9.0, "ms"),
    ]


def test_no_benchmark_may_take_all_the_time_there_is() -> None:
    assert all(entry.minutes <= WHOLE_MINUTES / 4 for entry in TIMETABLE)
    assert all(entry.quick_minutes <= QUICK_MINUTES / 4 for entry in TIMETABLE)
    assert len({entry.name for entry in TIMETABLE}) == len(TIMETABLE)
