"""Queues, senders and readers: the tables agree with each other and with what the messages say."""

import re
from collections.abc import Iterator

import pytest

from contracts import topology
from contracts.events import BatchFinished
from contracts.message import Kind, Message
from contracts.topology import MESSAGES, QUEUES, READERS, SENDERS, WAITS

SERVICES = {"gateway", "indexer", "renderer", "uploader"}


def named(words: str) -> set[str]:
    """The services in one side of a docstring's arrow; `anybody` is outside the house."""
    plain = {word.removeprefix("every ") for word in re.split(r", | or ", words)}
    return (SERVICES if "process" in plain else plain) - {"anybody"}


def sides(message: type[Message]) -> tuple[set[str], set[str]]:
    first = (message.__doc__ or "").partition("\n")[0]
    said = re.fullmatch(r"(?P<senders>[a-z, ]+) -> (?P<readers>[a-z, ]+): .+", first)
    assert said, f"{message.__name__} begins with `sender -> reader: what is now true`, not with {first!r}"
    return named(said["senders"]), named(said["readers"])


def services_with(message: type[Message], table: dict[str, tuple[type[Message], ...]]) -> set[str]:
    return {service for service, messages in table.items() if message in messages}


def kinds_of(base: type[Message]) -> Iterator[type[Message]]:
    for message in base.__subclasses__():
        yield from kinds_of(message)
        if not message.__subclasses__() and message.__module__.startswith("contracts."):
            yield message


def test_every_message_of_the_contracts_is_in_the_topology_once() -> None:
    assert set(kinds_of(Message)) == set(MESSAGES)
    assert len(topology.BY_ROUTE) == len(MESSAGES) == len(set(MESSAGES))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.route())
def test_who_sends_and_reads_a_message_is_what_its_docstring_says(message: type[Message]) -> None:
    senders, readers = sides(message)
    assert services_with(message, dict(SENDERS)) == senders
    assert services_with(message, dict(READERS)) == readers


def test_only_the_four_services_send_and_read() -> None:
    assert set(SENDERS) == set(READERS) == SERVICES


def test_no_table_names_a_message_twice() -> None:
    for messages in [*SENDERS.values(), *READERS.values()]:
        assert len(messages) == len(set(messages))


def test_a_route_is_the_name_and_the_version() -> None:
    assert {route: message.__name__ for route, message in topology.BY_ROUTE.items()} == {
        f"{message.__name__}.v1": message.__name__ for message in MESSAGES
    }


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.route())
def test_a_message_waits_in_a_queue_exactly_if_it_must_not_be_lost(message: type[Message]) -> None:
    has_queue = any(queue.message is message for queue in QUEUES)
    assert has_queue == (message.kind is not Kind.TRANSIENT and message is not BatchFinished)
    assert message.mandatory == has_queue


def test_a_command_has_exactly_one_receiver() -> None:
    for message in MESSAGES:
        if message.kind is Kind.COMMAND:
            assert len(services_with(message, dict(READERS))) == 1


def test_every_durable_reading_has_a_queue_of_its_own() -> None:
    assert {(queue.service, queue.message) for queue in QUEUES} == {
        (service, message)
        for service, messages in READERS.items()
        for message in messages
        if message.kind is not Kind.TRANSIENT
    }


def test_queues_are_named_for_service_and_message() -> None:
    for queue in QUEUES:
        assert queue.name == f"{queue.service}.{queue.message.__name__}"
        assert queue.dead == f"{queue.service}.{queue.message.__name__}.dead"
    names = [name for queue in QUEUES for name in (queue.name, queue.dead)] + [wait.name for wait in WAITS]
    assert len(names) == len(set(names))


def test_the_waits_are_one_second_ten_a_minute_and_five() -> None:
    assert [(wait.name, wait.seconds) for wait in WAITS] == [
        ("wait.1s", 1),
        ("wait.10s", 10),
        ("wait.60s", 60),
        ("wait.5m", 300),
    ]


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_a_work_queue_hands_its_dead_over_at_least_once_and_has_no_length_cap(queue: topology.Queue) -> None:
    assert topology.work_arguments(queue) == {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue.dead,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-delivery-limit": 1000,
    }


@pytest.mark.parametrize("wait", WAITS, ids=lambda wait: wait.name)
def test_what_has_waited_goes_back_under_the_key_it_came_with(wait: topology.Wait) -> None:
    arguments = topology.wait_arguments(wait)
    assert arguments["x-message-ttl"] == wait.seconds * 1000
    assert arguments["x-dead-letter-exchange"] == ""
    assert arguments["x-dead-letter-strategy"] == "at-least-once"
    assert "x-dead-letter-routing-key" not in arguments


def test_a_dead_letter_stays_until_somebody_takes_it() -> None:
    arguments = topology.dead_arguments()
    assert arguments["x-queue-type"] == "quorum"
    assert int(arguments["x-delivery-limit"]) > topology.BROKER_DELIVERY_LIMIT
    assert not {"x-message-ttl", "x-max-length", "x-dead-letter-exchange"} & set(arguments)


def test_the_consumer_gives_up_long_before_the_broker_does() -> None:
    assert topology.MAX_DELIVERIES < topology.BROKER_DELIVERY_LIMIT


def test_every_queue_has_its_place_and_its_letters_have_theirs_before_it() -> None:
    names = [place.name for place in topology.places()]
    wanted = [name for queue in QUEUES for name in (queue.name, queue.dead)] + [wait.name for wait in WAITS]
    assert sorted(names) == sorted(wanted)
    for queue in QUEUES:
        assert names.index(queue.dead) < names.index(queue.name)


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_only_work_is_taken_by_a_service_and_is_bound_for_every_version(queue: topology.Queue) -> None:
    known = {place.name: place for place in topology.places()}
    work, dead = known[queue.name], known[queue.dead]
    assert (work.service, work.exchange, work.key) == (
        queue.service,
        topology.EXCHANGE,
        f"{queue.message.__name__}.*",
    )
    assert (dead.service, dead.exchange, dead.key) == (None, topology.DEAD_EXCHANGE, queue.dead)
