"""What follows from a trouble."""

import pytest

from services.renderer.domain.troubles import (
    Again,
    Hopeless,
    Limits,
    Misplaced,
    NotSent,
    Passing,
    Trouble,
    Unreachable,
    follows,
    lasting,
    plain,
)

LIMITS = Limits(rest=1.0)


def test_a_hopeless_trouble_ends_the_image_at_once() -> None:
    trouble = Hopeless("node_failed", "no")
    assert follows(trouble, "one", 0, 100.0, LIMITS) is trouble


@pytest.mark.parametrize(("trouble", "alive"), [(Unreachable("away"), True), (NotSent("refused"), False)])
def test_trouble_with_the_connection_never_ends_an_image(trouble: Trouble, alive: bool) -> None:
    assert follows(trouble, "one", 99, 100.0, LIMITS) == Again(101.0, 99, "one", perhaps_alive=alive)


def test_an_image_that_came_to_the_wrong_backend_goes_on_at_once_uncounted() -> None:
    assert follows(Misplaced("missing_model", "no"), "one", 3, 100.0, LIMITS) == Again(100.0, 3, "one")


def test_a_passing_trouble_rests_longer_each_time_and_ends_with_the_fifth() -> None:
    trouble = Passing("no_image", "nothing came of it")
    cost, made = 0, []
    while isinstance(decision := follows(trouble, "one", cost, 100.0, LIMITS), Again):
        cost = decision.tries
        made.append(decision.not_before)
    assert made == [101.0, 102.0, 104.0, 108.0]
    assert decision is trouble


@pytest.mark.parametrize("code", ["no_result", "too_many_images"])
def test_what_will_be_so_again_is_tried_twice(code: str) -> None:
    """Also where the image has had trouble of another kind before; after it, others may still come."""
    trouble = Passing(code, "too large")
    for before in (0, 4):
        again = follows(trouble, "one", before, 100.0, LIMITS)
        assert isinstance(again, Again)
        assert follows(trouble, "one", again.tries, 100.0, LIMITS) is trouble
        assert isinstance(follows(Passing("vanished", "gone"), "one", 5, 100.0, LIMITS), Again)


@pytest.mark.parametrize("code", ["vanished", "out_of_memory", "gpu_error", "file_missing"])
def test_what_a_backend_does_to_an_image_says_less_about_it(code: str) -> None:
    assert isinstance(follows(Passing(code, "gone"), "one", 8, 0.0, LIMITS), Again)
    assert isinstance(follows(Passing(code, "gone"), "one", 9, 0.0, LIMITS), Passing)


def test_what_a_retry_cannot_mend_is_not_retryable() -> None:
    assert lasting("invalid_parameters")
    assert not lasting("cancelled")
    assert not lasting("deadline")


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("no file /opt/ComfyUI/models/a.safetensors here", "no file … here"),
        (r"in C:\ComfyUI\models\a.pt", "in …"),
        ("two\n  lines", "two lines"),
        ("cfg: 3/4 of it", "cfg: 3/4 of it"),
    ],
)
def test_details_are_one_line_without_the_servers_paths(told: str, shown: str) -> None:
    assert plain(told) == shown


def test_details_are_short() -> None:
    assert len(plain("x" * 10_000)) == 300
