"""Every account of a real broker: what it may do, and that it is refused everything else."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused

from contracts.commands import OpenFolder
from contracts.message import Kind
from contracts.permissions import DEFAULT_EXCHANGE, accounts
from contracts.topology import DEAD_EXCHANGE, EXCHANGE, MESSAGES, QUEUES, READERS, SENDERS, WAITS, Queue
from messaging.bus import Subscription
from messaging.dead_letters import Wanted
from messaging.errors import CannotConnect, Later, PermanentError
from messaging.rabbitmq import open_rabbitmq
from messaging.rabbitmq.definitions import definitions
from tests.messaging.ear import Ear
from tests.messaging.rabbitmq.accounts import Accounts, load, loaded
from tests.messaging.rig import until
from tests.nodes.broker import Broker
from tests.source import ROOT

SERVICES = tuple(READERS)
SHIPPED = ROOT / "deploy" / "rabbitmq" / "definitions.json"


@pytest.fixture(scope="module")
def known(rabbitmq_node: Broker) -> Iterator[Accounts]:
    with loaded(rabbitmq_node) as known:
        yield known


@asynccontextmanager
async def connected(known: Accounts, account: str) -> AsyncIterator[aio_pika.abc.AbstractConnection]:
    async with await aio_pika.connect(known.url(account)) as connection:
        yield connection


async def allowed(
    connection: aio_pika.abc.AbstractConnection, deed: Callable[[AbstractChannel], Awaitable[object]]
) -> bool:
    """On a channel of its own, which a refusal closes."""
    channel = await connection.channel(publisher_confirms=True, on_return_raises=False)
    try:
        await deed(channel)
    except ChannelAccessRefused:
        return False
    if not channel.is_closed:
        await channel.close()
    return True


def publishing(exchange: str, key: str) -> Callable[[AbstractChannel], Awaitable[object]]:
    async def deed(channel: AbstractChannel) -> object:
        return await aio_pika.Exchange(channel, exchange).publish(aio_pika.Message(b"{}"), key, timeout=10)

    return deed


def consuming(queue: str) -> Callable[[AbstractChannel], Awaitable[object]]:
    async def deed(channel: AbstractChannel) -> object:
        underlay = await channel.get_underlay_channel()
        # Nothing is taken: what comes is for the next test.
        await underlay.basic_qos(prefetch_count=1)
        return await underlay.basic_get(queue, no_ack=False, timeout=10)

    return deed


def deleting(queue: str) -> Callable[[AbstractChannel], Awaitable[object]]:
    return lambda channel: channel.queue_delete(queue, timeout=10)


def declaring(queue: str) -> Callable[[AbstractChannel], Awaitable[object]]:
    return lambda channel: channel.declare_queue(queue, durable=True, timeout=10)


def binding(queue: str, exchange: str, key: str) -> Callable[[AbstractChannel], Awaitable[object]]:
    async def deed(channel: AbstractChannel) -> object:
        return await (await channel.get_underlay_channel()).queue_bind(queue, exchange, key, timeout=10)

    return deed


def listening(route: str) -> Callable[[AbstractChannel], Awaitable[object]]:
    async def deed(channel: AbstractChannel) -> object:
        queue = await channel.declare_queue("", exclusive=True, auto_delete=True, timeout=10)
        return await queue.bind(EXCHANGE, route, timeout=10)

    return deed


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_says_what_it_has_to_say_and_nothing_else(known: Accounts, service: str) -> None:
    async with connected(known, service) as connection:
        for message in MESSAGES:
            may = await allowed(connection, publishing(EXCHANGE, message.route()))
            assert may == (message in SENDERS[service]), message.route()
            next_version = f"{message.__name__}.v2"
            assert await allowed(connection, publishing(EXCHANGE, next_version)) == may, next_version


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_takes_from_its_own_queues_and_from_no_other(known: Accounts, service: str) -> None:
    async with connected(known, service) as connection:
        for queue in QUEUES:
            assert await allowed(connection, consuming(queue.name)) == (queue.service == service), queue.name
            assert await allowed(connection, consuming(queue.dead)) == (service == "gateway"), queue.dead
        for wait in WAITS:
            assert not await allowed(connection, consuming(wait.name))


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_lets_only_its_own_deliveries_wait_and_die(known: Accounts, service: str) -> None:
    async with connected(known, service) as connection:
        for queue in QUEUES:
            mine = queue.service == service
            buries = await allowed(connection, publishing(DEAD_EXCHANGE, queue.dead))
            assert buries == (mine or service == "gateway"), queue.dead
            for wait in WAITS[-1:]:
                assert await allowed(connection, publishing(wait.exchange, queue.name)) == mine, queue.name


@pytest.mark.parametrize("service", SERVICES)
async def test_only_who_replays_dead_letters_puts_messages_into_any_queue(
    known: Accounts, service: str
) -> None:
    async with connected(known, service) as connection:
        assert await allowed(connection, publishing("", "nobody.reads")) == (service == "gateway")


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_makes_and_removes_nothing(known: Accounts, service: str) -> None:
    async with connected(known, service) as connection:
        for name in (QUEUES[0].name, next(each.name for each in QUEUES if each.service == service)):
            assert not await allowed(connection, deleting(name))
            assert not await allowed(connection, declaring(name))
            assert not await allowed(connection, binding(name, EXCHANGE, "GenerateBatch.v1"))
        assert not await allowed(connection, declaring("a.queue.of.its.own"))


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_listens_to_the_hints_that_it_reads(known: Accounts, service: str) -> None:
    hints = [message for message in READERS[service] if message.kind is Kind.TRANSIENT]
    async with connected(known, service) as connection:
        for message in MESSAGES:
            assert await allowed(connection, listening(message.route())) == (message in hints), message
        assert not await allowed(connection, listening("#"))


async def test_nobody_takes_from_anothers_own_queue(known: Accounts) -> None:
    async with connected(known, "renderer") as one, connected(known, "gateway") as other:
        channel = await one.channel()
        queue = await channel.declare_queue("", exclusive=True, auto_delete=True)
        mine = queue.name
        with pytest.raises(aio_pika.exceptions.ChannelClosed, match="RESOURCE_LOCKED"):
            await allowed(other, consuming(mine))


@pytest.mark.parametrize("account", ["operator", "monitor", "caller"])
async def test_whoever_looks_after_it_makes_nothing_and_takes_nothing_but_dead_letters(
    known: Accounts, account: str
) -> None:
    async with connected(known, account) as connection:
        for queue in QUEUES:
            assert not await allowed(connection, consuming(queue.name))
            assert not await allowed(connection, deleting(queue.name))
            assert await allowed(connection, consuming(queue.dead)) == (account == "operator")
            assert not await allowed(connection, binding(queue.name, EXCHANGE, "#"))
        assert not await allowed(connection, listening("BatchFinished.v1"))


async def test_a_caller_asks_for_batches_and_for_nothing_else(known: Accounts) -> None:
    async with connected(known, "caller") as connection:
        said = [m.__name__ for m in MESSAGES if await allowed(connection, publishing(EXCHANGE, m.route()))]
        assert said == ["GenerateBatch", "RetryImages", "CancelBatch"]
        assert not await allowed(connection, publishing("", QUEUES[0].name))


async def test_a_monitor_counts_what_it_can_not_take(known: Accounts) -> None:
    async with connected(known, "monitor") as connection:
        channel = await connection.channel()
        for queue in QUEUES:
            assert await channel.declare_queue(queue.name, passive=True)
        for message in MESSAGES:
            assert not await allowed(connection, publishing(EXCHANGE, message.route()))


async def test_an_admin_declares_what_the_definitions_hold_and_changes_nothing(known: Accounts) -> None:
    """Arguments and bindings are the same, or the broker would refuse."""
    async with open_rabbitmq(known.url("admin"), "darkroom topology") as bus:
        assert bus.trouble() is None
    before = bindings(known)
    assert before == {
        (each["source"], each["destination"], each["routing_key"])
        for each in definitions(known.vhost, {})["bindings"]
    }


async def test_a_letter_dies_waits_and_is_replayed_with_these_permissions(known: Accounts) -> None:
    ear = Ear(Later("not yet", 1), PermanentError("hopeless"))
    subscription = Subscription("indexer", OpenFolder, ear)
    async with (
        open_rabbitmq(known.url("gateway"), "gateway", declare=False) as gateway,
        open_rabbitmq(known.url("indexer"), "indexer", declare=False) as indexer,
        open_rabbitmq(known.url("operator"), "operator", declare=False) as operator,
        indexer.consuming([subscription]),
    ):
        wanted = Wanted(frozenset({Queue("indexer", OpenFolder).name}), reason="hopeless")

        async def buried() -> bool:
            return bool((await operator.dead.find(wanted, 10)).letters)

        await gateway.publish(OpenFolder(folder="f"))
        await until(buried)
        assert len(await operator.dead.replay(wanted)) == 1
        await ear.hears(3)
        assert not await buried()


async def test_users_of_the_shipped_file_can_not_log_in(rabbitmq_node: Broker, known: Accounts) -> None:
    """Until a deployment loads definitions with passwords."""
    shipped = definitions(known.vhost, {}, f"locked-{known.prefix}")
    try:
        load(rabbitmq_node, shipped)
        for password in ("", "guest"):
            url = f"amqp://locked-{known.prefix}admin:{password}@127.0.0.1:{rabbitmq_node.port}/{known.vhost}"
            with pytest.raises(CannotConnect, match="does not know user"):
                async with open_rabbitmq(url, "tests", declare=False, patience=0):
                    pass
    finally:
        for account in accounts():
            name = f'<<"locked-{known.prefix}{account.name}">>'
            rabbitmq_node.evaluate(f'_ = rabbit_auth_backend_internal:delete_user({name}, <<"tests">>), ok')


def test_the_shipped_definitions_are_those_of_the_code() -> None:
    made = json.dumps(definitions("darkroom", {}), indent=1) + "\n"
    assert SHIPPED.read_text() == made, (
        "write them again: `darkroom topology definitions --locked --out deploy/rabbitmq/definitions.json`"
    )


def test_no_password_lies_in_the_shipped_definitions() -> None:
    assert {user["password_hash"] for user in json.loads(SHIPPED.read_text())["users"]} == {""}


def test_every_service_has_an_account() -> None:
    assert {account.name for account in accounts()} >= set(READERS) | set(SENDERS)


def test_only_gateway_operator_and_admin_write_to_the_default_exchange() -> None:
    may = {each.name for each in accounts() if re.search(each.write, DEFAULT_EXCHANGE)}
    assert may == {"gateway", "operator", "admin"}


def bindings(known: Accounts) -> set[tuple[str, str, str]]:
    """Exchange, queue and key of every binding that is not the default exchange's."""
    listed = known.broker.evaluate(
        f"""[[binary_to_list(element(4, element(2, B))), binary_to_list(element(4, element(4, B))),
        binary_to_list(element(3, B))] || B <- rabbit_binding:list(<<"{known.vhost}">>)]"""
    )
    return {(source, queue, key) for source, queue, key in json.loads(listed) if source}
