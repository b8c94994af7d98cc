"""What stands on the outside of a message."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.commands import CancelBatch, OpenFolder
from messaging.envelope import MAX_REASON, Envelope
from messaging.history import MAX_DEATHS, MAX_WORDS

NOW = datetime(2026, 5, 1, tzinfo=UTC)
CANCEL = CancelBatch(batch_id="b1")


def test_an_envelope_says_who_sent_what_about_which_batch() -> None:
    made = Envelope.of(CANCEL, "gateway", NOW)
    assert (made.route, made.body) == ("CancelBatch.v1", CANCEL.encode())
    assert (made.id, made.correlation_id, made.app_id, made.sent_at) == (
        str(CANCEL.id()),
        "b1",
        "gateway",
        NOW,
    )
    assert made.headers() == {"id": str(CANCEL.id())}


def test_a_message_without_a_batch_has_no_correlation() -> None:
    assert Envelope.of(OpenFolder(folder="f"), "gateway", NOW).correlation_id is None


def test_the_same_message_keeps_its_id_and_gets_a_new_message_id_at_every_publish() -> None:
    one, other = Envelope.of(CANCEL, "gateway", NOW), Envelope.of(CANCEL, "gateway", NOW)
    assert one.id == other.id
    assert one.message_id != other.message_id


def test_an_answer_carries_its_cause_and_the_trace() -> None:
    cause = Envelope.read("OpenFolder.v1", b"{}", {"id": "cause"})
    answer = Envelope.of(CANCEL, "indexer", NOW, cause, "00-a-b-01")
    assert (answer.causation_id, answer.traceparent) == ("cause", "00-a-b-01")


def test_headers_come_back_as_they_were_written() -> None:
    made = Envelope.of(CANCEL, "gateway", NOW, Envelope.read("x", b"", {"id": "cause"})).returned(
        3, "why", NOW
    )
    read = Envelope.read(made.route, made.body, made.headers())
    assert read.headers() == made.headers()
    assert (read.attempts, read.last_error, read.first_seen) == (3, "why", NOW.isoformat())


def test_a_plain_client_needs_no_headers() -> None:
    read = Envelope.read("CancelBatch.v1", CANCEL.encode(), {}, correlation_id=None, sent_at=None)
    assert read.headers() == {}
    assert (read.attempts, read.correlation_id) == (0, None)


@pytest.mark.parametrize("name", ["id", "causation-id", "traceparent", "x-first-seen", "x-last-error"])
@pytest.mark.parametrize("value", [5, None, b"\xff", [1], {"a": 1}, True])
def test_text_of_another_type_counts_as_missing(name: str, value: Any) -> None:
    assert Envelope.read("r", b"", {name: value}).headers() == {}


@pytest.mark.parametrize("value", ["3", None, -1, 0, 2.5, [1]])
def test_attempts_of_another_type_count_as_none(value: Any) -> None:
    assert Envelope.read("r", b"", {"x-attempt": value}).attempts == 0


def test_headers_of_others_are_never_copied() -> None:
    read = Envelope.read("r", b"", {"x-death": [{"count": 1}], "x-delivery-count": 4, "secret": "s"})
    assert read.returned(1, "why", NOW).headers().keys() == {"x-attempt", "x-first-seen", "x-last-error"}


def test_a_copy_keeps_bytes_and_first_sight_and_has_a_message_id_of_its_own() -> None:
    first = Envelope.read("r", b"\xff", {"id": "i"}).returned(1, "one", NOW)
    second = first.returned(2, "two", datetime(2027, 1, 1, tzinfo=UTC))
    assert (second.body, second.id, second.first_seen) == (b"\xff", "i", NOW.isoformat())
    assert (second.attempts, second.last_error) == (2, "two")
    assert second.message_id != first.message_id


def test_a_long_reason_is_cut() -> None:
    assert Envelope.read("r", b"", {}).returned(1, "x" * 5000, NOW).last_error == "x" * MAX_REASON


def test_a_history_survives_replays_and_stays_small_enough_for_a_header() -> None:
    letter = Envelope.read("r", b"", {"id": "i"})
    for number in range(MAX_DEATHS + 5):
        letter = letter.buried(number, f"{number} " + "\u00e4" * 5000, NOW)
        letter = Envelope.read("r", b"", letter.replayed().headers())
    assert [death.attempts for death in letter.deaths] == list(range(5, MAX_DEATHS + 5))
    assert {len(death.reason) for death in letter.deaths} == {MAX_WORDS}
    assert letter.deaths[0].at == NOW.isoformat()
    assert len(str(letter.headers()["x-history"])) < 64_000
    assert (letter.id, letter.attempts, letter.last_error) == ("i", 0, None)
    assert letter.first_seen == NOW.isoformat()
