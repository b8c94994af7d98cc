import pytest
from pydantic import ValidationError

from sandbox.cloudinary.faults import FaultKind, FaultRule, Faults


def rule(**conditions: object) -> FaultRule:
    return FaultRule.model_validate({"kind": "error_500", **conditions})


@pytest.mark.parametrize(
    ("conditions", "matching"),
    [
        ({}, True),
        ({"calls": ["upload"]}, True),
        ({"calls": ["destroy"]}, False),
        ({"public_id": "image_1"}, True),
        ({"public_id": "image_2"}, False),
        ({"public_id_matches": r"_image_\d+$"}, True),
        ({"public_id_matches": r"^image"}, False),
        ({"public_id": "image_1", "public_id_matches": "nothing"}, False),
    ],
)
def test_every_given_condition_must_hold(conditions: dict[str, object], matching: bool) -> None:
    assert rule(**conditions).concerns("upload", ["a/b_image_1"]) is matching


def test_a_rule_about_public_ids_spares_calls_without_any() -> None:
    assert not rule(public_id="a").concerns("ping", [])


def test_a_rule_is_spent_after_its_count_and_the_next_one_takes_over() -> None:
    faults = Faults()
    faults.install([rule(count=2), rule(kind="stale", count=None)])
    taken = [faults.take("upload", []) for _ in range(4)]
    assert [known.kind for known in taken if known] == [FaultKind.ERROR_500] * 2 + [FaultKind.STALE] * 2
    faults.clear()
    assert faults.take("upload", []) is None


def test_every_nth_call_goes_wrong() -> None:
    faults = Faults()
    faults.install([rule(every=3, count=2)])
    assert [faults.take("upload", []) is not None for _ in range(10)] == [
        False,
        False,
        True,
        False,
        False,
        True,
    ] + [False] * 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "flood"},
        {"kind": "latency"},
        {"count": 0},
        {"every": 0},
        {"public_id_matches": "("},
        {"delay_seconds": -1},
        {"call": "upload"},
    ],
)
def test_a_wrong_rule_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        rule(**wrong)
