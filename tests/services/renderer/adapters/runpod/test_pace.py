"""How often an endpoint is asked, and when a job is worth a look."""

import pytest

from services.renderer.adapters.runpod.pace import (
    LONGEST,
    LONGEST_REST,
    Rate,
    next_look,
    own_looks,
    pace,
)
from services.renderer.domain.remote import Queued, Running


def test_requests_go_in_even_steps() -> None:
    rate = Rate(10)
    assert [rate.step(0.0) for _ in range(3)] == pytest.approx([0, 0.1, 0.2])
    assert rate.step(5.0) == 0


def test_a_refusal_halves_the_rate_and_answers_win_it_back() -> None:
    rate = Rate(100)
    rate.refused(0.0, None)
    assert rate.per_second == 50
    assert rate.step(0.0) == 1.0
    for _ in range(50):
        rate.answered()
    assert rate.per_second == pytest.approx(100)
    rate.answered()
    assert rate.per_second == 100


def test_a_rest_grows_with_each_refusal_up_to_a_bound_and_an_asked_for_one_is_kept() -> None:
    rate = Rate(100)
    for _ in range(12):
        rate.refused(0.0, None)
    assert rate.step(0.0) == LONGEST_REST
    assert rate.per_second == 1
    other = Rate(100)
    other.refused(0.0, 7.0)
    assert other.step(0.0) == 7.0


def test_another_bound_keeps_what_refusals_have_made_of_the_rate() -> None:
    rate = Rate(100)
    rate.refused(0.0, None)
    rate.limit(20)
    assert rate.per_second == 10
    rate.limit(200)
    assert rate.per_second == 100


@pytest.mark.parametrize("parts", [[1.0], [0.5, 0.5], [0.7, 0.1, 0.1, 0.1], [0.25] * 4])
def test_replicas_together_keep_to_what_runpod_allows(parts: list[float]) -> None:
    assert sum(own_looks(part) for part in parts) <= 2000 / 10 * 0.75 + 1e-9


def test_a_replica_without_a_part_may_ask_a_little() -> None:
    assert 0 < own_looks(0.0) < own_looks(0.5)


def test_few_jobs_are_looked_at_often_and_many_as_often_as_the_rate_allows() -> None:
    assert pace(10, 100, least=1.0) == 1.0
    assert pace(1000, 100, least=1.0) == 10.0


def test_a_running_job_is_looked_at_when_it_should_be_done() -> None:
    assert next_look(Running(), 100.0, began=95.0, usual=20.0, pace=1.0) == 113.0
    assert next_look(Running(), 114.0, began=95.0, usual=20.0, pace=1.0) == 115.0
    assert next_look(Running(), 100.0, began=100.0, usual=3600.0, pace=1.0) == 100.0 + LONGEST


def test_a_job_of_which_little_is_known_is_looked_at_in_turn() -> None:
    assert next_look(Queued(), 100.0, began=None, usual=20.0, pace=3.0) == 103.0
    assert next_look(Running(), 100.0, began=100.0, usual=None, pace=3.0) == 103.0
