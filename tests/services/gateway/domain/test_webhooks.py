"""When a receiver is called again, and who signs."""

import pytest

from services.gateway.domain.webhooks import (
    DELAYS,
    ENOUGH,
    LONGEST,
    OVERLAP,
    PER_RECEIVER,
    PER_USER,
    PLACES,
    Attempt,
    DeliveryStatus,
    Disabled,
    Due,
    Outcome,
    Secret,
    UnderWay,
    outcome,
    rotated,
    signing,
)

AT = 1_000_000.0


def attempt(status: int | None = 500, retry_after: float | None = None, latency_ms: int = 0) -> Attempt:
    return Attempt(AT, latency_ms, status, retry_after=retry_after)


def after(tries: int, made: Attempt, lot: float = 0.0, since: float | None = AT) -> Outcome:
    return outcome("batch.completed", tries, since, made, lot)


def test_ten_attempts_are_made_by_the_schedule() -> None:
    waits = [(after(tries, attempt()).next_at or 0) - AT for tries in range(1, 10)]
    assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400] == list(DELAYS)
    assert after(10, attempt()) == Outcome(DeliveryStatus.FAILED)


def test_what_failed_together_is_not_repeated_together() -> None:
    assert after(2, attempt(), lot=1.0).next_at == AT + 330


def test_a_wait_begins_when_the_attempt_has_ended() -> None:
    assert after(1, attempt(latency_ms=2000)).next_at == AT + 7


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_a_success(status: int) -> None:
    assert after(1, attempt(status)) == Outcome(DeliveryStatus.DELIVERED)


@pytest.mark.parametrize("status", [None, 100, 199, 301, 302, 307, 308, 400, 404, 409, 429, 500, 503])
def test_nothing_else_is(status: int | None) -> None:
    assert after(1, attempt(status)).status is DeliveryStatus.PENDING


def test_gone_is_gone() -> None:
    assert after(1, attempt(410)) == Outcome(DeliveryStatus.FAILED, None, Disabled.GONE)


def test_a_receiver_that_asks_for_time_gets_it_within_bounds() -> None:
    assert after(1, attempt(429, 120.0)).next_at == AT + 120
    assert after(1, attempt(503, 1e9)).next_at == AT + LONGEST
    assert after(3, attempt(503, 1.0)).next_at == AT + 1800
    assert after(1, attempt(500, 120.0)).next_at == AT + 5


def test_days_of_failure_are_enough() -> None:
    assert after(2, attempt(), since=AT - ENOUGH + 1).disables is None
    assert after(2, attempt(), since=AT - ENOUGH) == Outcome(DeliveryStatus.FAILED, None, Disabled.FAILING)


def test_a_test_is_made_once() -> None:
    assert outcome("webhook.test", 1, None, attempt(), 0) == Outcome(DeliveryStatus.FAILED)


def test_an_old_secret_signs_along_for_a_day() -> None:
    known = rotated([Secret("one")], "two", AT)
    assert [secret.key for secret in signing(known, AT + OVERLAP - 1)] == ["two", "one"]
    assert [secret.key for secret in signing(known, AT + OVERLAP)] == ["two"]


def test_a_second_rotation_does_not_cut_the_first_ones_day_short() -> None:
    known = rotated(rotated([Secret("one")], "two", AT), "three", AT + 10)
    assert known == (Secret("three"), Secret("two", AT + 10 + OVERLAP), Secret("one", AT + OVERLAP))


def test_secrets_do_not_pile_up() -> None:
    known: tuple[Secret, ...] = (Secret("0"),)
    for number in range(1, 20):
        known = rotated(known, str(number), AT + number)
    assert [secret.key for secret in known] == ["19", "18", "17", "16", "15"]


def test_a_secret_is_not_shown_by_accident() -> None:
    assert "whsec" not in repr(Secret("whsec_abc"))


def due(receiver: str, username: str, number: int) -> list[Due]:
    return [Due(f"{receiver}/{username}/{n}", receiver, username) for n in range(number)]


def test_nobody_takes_the_places_of_others() -> None:
    slow, quick = due("slow", "Areg", 50), due("quick", "Nare", 2)
    assert UnderWay({}, {}).admits([*slow, *quick]) == [*slow[:PER_RECEIVER], *quick]
    busy = UnderWay({"slow": PER_RECEIVER}, {"Areg": PER_RECEIVER})
    assert busy.admits([*slow, *quick]) == quick
    assert (busy.full_receivers, busy.full_users) == (["slow"], [])


def test_a_user_with_many_receivers_has_his_share_alone() -> None:
    many = [each for number in range(40) for each in due(f"host-{number}", "Areg", 1)]
    assert len(UnderWay({}, {}).admits([*many, *due("quick", "Nare", 1)])) == PER_USER + 1


def test_no_more_is_under_way_than_there_are_places() -> None:
    many = [each for number in range(200) for each in due(f"host-{number}", f"user-{number}", 1)]
    assert len(UnderWay({"x": 4}, {"x": 4}).admits(many)) == PLACES - 4
