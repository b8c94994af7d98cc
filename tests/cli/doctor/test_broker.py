"""What the doctor finds at a broker."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import pytest

from cli.doctor import broker as module
from cli.doctor.broker import BROKER, LETTERS, TOPOLOGY, USER, broker
from cli.doctor.finding import Finding
from contracts.commands import OpenFolder
from contracts.topology import QUEUES, places
from messaging.bus import Subscription
from messaging.errors import Outage, PermanentError
from messaging.rabbitmq import RabbitBus, open_rabbitmq
from messaging.rabbitmq.hands import BESIDE
from tests.messaging.ear import Ear
from tests.messaging.rabbitmq.accounts import Accounts, loaded
from tests.messaging.rabbitmq.conftest import plain_client
from tests.messaging.rig import until
from tests.nodes.broker import Broker
from tests.nodes.rabbitmq import OwnRabbitmq

OPENINGS = next(place for place in places() if place.name == "indexer.OpenFolder")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in module.BusSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def bus(rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RabbitBus]:
    monkeypatch.setenv("BUS_URL", rabbitmq_url)
    async with open_rabbitmq(rabbitmq_url, "tests") as bus:
        yield bus


@pytest.fixture
def accounts(rabbitmq_node: Broker) -> Iterator[Accounts]:
    with loaded(rabbitmq_node) as made:
        yield made


async def found() -> dict[str, Finding]:
    return {each.subject: each for each in await broker()}


async def test_a_broker_as_it_should_be_is_told_with_version_and_user(bus: RabbitBus) -> None:
    seen = await found()
    assert [(each.subject, each.state) for each in seen.values()] == [
        (BROKER, "ok"),
        (TOPOLOGY, "ok"),
        (USER, "ok"),
    ]
    assert seen[BROKER].says.startswith("RabbitMQ 3.")
    assert seen[USER].says == "darkroom may declare queues, and be indexer, renderer, uploader, gateway"


async def test_a_version_that_nobody_has_tried_is_a_warning(
    bus: RabbitBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OLDEST", (3, 99))
    seen = (await found())[BROKER]
    assert (seen.state, seen.advice) == ("warning", "what is known to work is RabbitMQ 3.10 to 4.x")


async def test_a_queue_of_other_arguments_is_named_with_the_argument_and_the_way_out(
    bus: RabbitBus, rabbitmq_url: str
) -> None:
    async with plain_client(rabbitmq_url) as client:
        await client.channel.queue_delete(OPENINGS.name)
        await client.channel.declare_queue(
            OPENINGS.name, durable=True, arguments={**OPENINGS.arguments, "x-delivery-limit": 5}
        )
    seen = (await found())[f"queue {OPENINGS.name}"]
    assert seen.state == "wrong"
    assert seen.says == "x-delivery-limit is 5 there, and this release wants 1000"
    assert seen.advice == "darkroom topology migrate indexer.OpenFolder"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received "
            "the value 'quorum' of type 'longstr' but current is none",
            "x-queue-type is none there, and this release wants quorum",
        ),
        ("PRECONDITION_FAILED - something else", "PRECONDITION_FAILED - something else"),
    ],
)
def test_what_differs_is_told_in_few_words(said: str, told: str) -> None:
    assert module._difference(said) == told


async def test_what_a_move_has_left_is_wrong(bus: RabbitBus, rabbitmq_url: str) -> None:
    async with plain_client(rabbitmq_url) as client:
        await client.channel.declare_queue(OPENINGS.name + BESIDE, durable=True)
    seen = (await found())[f"queue {OPENINGS.name}"]
    assert (seen.state, seen.advice) == ("wrong", "darkroom topology migrate indexer.OpenFolder")
    assert "a move of it was cut off" in seen.says


async def test_a_broker_without_our_queues_is_wrong(
    rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS_URL", rabbitmq_url)
    seen = (await found())[TOPOLOGY]
    assert seen.state == "wrong"
    assert "no exchange darkroom, " in seen.says
    assert "`darkroom topology apply`" in seen.advice


async def test_dead_letters_are_counted(bus: RabbitBus) -> None:
    ear = Ear(PermanentError("no"))
    async with bus.consuming([Subscription("indexer", OpenFolder, ear)]):
        await bus.publish(OpenFolder(folder="f"))
        await until(bus.dead_letters)
    seen = (await found())[LETTERS]
    assert (seen.state, seen.says) == ("warning", "1 of indexer.OpenFolder")
    assert seen.advice.startswith("darkroom dead list --queue indexer.OpenFolder")


@pytest.mark.parametrize("service", ["gateway", "indexer", "renderer", "uploader"])
async def test_a_services_own_user_is_fine_where_services_only_check(
    service: str, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS_URL", accounts.url(service))
    monkeypatch.setenv("BUS_DECLARE", "false")
    seen = await found()
    assert seen[USER].state == "ok"
    assert seen[USER].says.endswith(f" may be {service}")
    assert f"all {2 * len(QUEUES)} queues are there" in seen[TOPOLOGY].says


async def test_a_user_who_may_not_declare_though_services_would_is_wrong(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS_URL", accounts.url("indexer"))
    (seen,) = [each for each in await broker() if each.state == "wrong"]
    assert "BUS_DECLARE is true" in seen.says
    assert "set BUS_DECLARE=false" in seen.advice


async def test_a_user_who_lacks_a_right_is_told_which(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS_DECLARE", "false")
    name, nothing = f'<<"{accounts.prefix}uploader">>', '<<"^$">>'
    allow = f'{name}, <<"{accounts.vhost}">>, {nothing}, {nothing}, {nothing}, <<"tests">>'
    accounts.broker.evaluate(f"ok = rabbit_auth_backend_internal:set_permissions({allow})")
    monkeypatch.setenv("BUS_URL", accounts.url("uploader"))
    seen = (await found())[USER]
    assert seen.state == "wrong"
    assert "it may not take from uploader.DeleteImage, uploader.FolderOpened" in seen.says
    assert "it may not publish what a service says" in seen.says
    assert "darkroom topology definitions" in seen.advice


async def test_a_user_as_whom_no_service_runs_is_a_warning(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS_DECLARE", "false")
    for account in ("operator", "monitor", "caller"):
        monkeypatch.setenv("BUS_URL", accounts.url(account))
        seen = (await found())[USER]
        assert (seen.state, "no service can run as " in seen.says) == ("warning", True)


async def test_a_wrong_password_and_a_wrong_vhost_are_wrong_and_not_shown(
    rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = str(urlsplit(rabbitmq_url).password)
    for url in (rabbitmq_url.replace(password, "geheim"), f"{rabbitmq_url}-of-nobody"):
        monkeypatch.setenv("BUS_URL", url)
        (seen,) = await broker()
        assert (seen.subject, seen.state) == (BROKER, "wrong")
        assert "BUS_URL" in seen.advice
        assert not {"geheim", password} & set(seen.says.split("'"))


async def test_a_broker_that_does_not_answer_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUS_URL", "amqp://u:geheim@127.0.0.1:1/x")
    with pytest.raises(Outage) as why:
        await broker()
    assert "geheim" not in str(why.value)


async def test_a_memory_bus_has_nothing_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUS_URL", "memory:")
    assert [each.state for each in await broker()] == ["ok"]


@pytest.mark.slow
async def test_a_broker_that_blocks_is_wrong(
    own_rabbitmq: OwnRabbitmq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS_URL", own_rabbitmq.url)
    async with open_rabbitmq(own_rabbitmq.url, "tests"):
        pass
    own_rabbitmq.raise_memory_alarm()
    try:
        seen = await found()
    finally:
        own_rabbitmq.clear_memory_alarm()
    assert [each.says for each in seen.values() if "alarm" in each.says], seen
