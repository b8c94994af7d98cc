import pytest

from bench.verdict import Bar, interleaved, ratio, spread, verdict


@pytest.mark.parametrize(
    ("bar", "measured", "holds"),
    [
        (Bar(at_least=0.9), 0.9, True),
        (Bar(at_least=0.9), 0.89, False),
        (Bar(at_most=1.03), 1.03, True),
        (Bar(at_most=1.03), 1.031, False),
        (Bar(at_least=1, at_most=2), 2.1, False),
    ],
)
def test_a_bar_holds_up_to_its_own_height(bar: Bar, measured: float, holds: bool) -> None:
    assert bar.holds(measured) is holds


def test_the_last_line_names_ratio_and_bar_and_the_status_says_whether_it_holds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert verdict("uploads", 0.95, Bar(at_least=0.9)) == 0
    assert verdict("uploads", 0.85, Bar(at_least=0.9)) == 1
    assert capsys.readouterr().out == "uploads: 0.950 (>= 0.9)\nuploads: 0.850 (>= 0.9)\n"


async def test_contestants_take_turns_and_another_one_begins_each_round() -> None:
    order: list[str] = []

    async def run(name: str) -> float:
        order.append(name)
        return float(len(order))

    measured = await interleaved(2, {"a": lambda: run("a"), "b": lambda: run("b")})
    assert order == ["a", "b", "b", "a"]
    assert measured == {"a": [1.0, 4.0], "b": [2.0, 3.0]}


def test_a_ratio_compares_each_round_with_itself() -> None:
    assert ratio([1.0, 20.0, 3.0], [1.0, 10.0, 1.0]) == 2.0


def test_a_spread_shows_the_median_and_both_ends() -> None:
    assert spread([3.0, 1.0, 2.0], " s") == "2 s (1 to 3 in 3 rounds)"
