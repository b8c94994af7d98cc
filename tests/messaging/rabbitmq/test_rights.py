"""What users may do, found out without a trace."""

from collections.abc import Iterator

import pytest

from contracts.commands import OpenFolder
from contracts.topology import QUEUES
from messaging.rabbitmq.errands import errand
from messaging.rabbitmq.rights import Rights, rights
from tests.messaging.rabbitmq.accounts import Accounts, loaded
from tests.messaging.rig import RabbitRig
from tests.nodes.broker import Broker


@pytest.fixture
def accounts(rabbitmq_node: Broker) -> Iterator[Accounts]:
    with loaded(rabbitmq_node) as made:
        yield made


async def found(url: str) -> Rights:
    async with errand(url, "tests") as connection:
        return await rights(connection)


def of(service: str) -> frozenset[str]:
    return frozenset(queue.name for queue in QUEUES if queue.service == service)


async def test_a_services_own_user_says_and_reads_its_own_and_declares_nothing(accounts: Accounts) -> None:
    for service in ("gateway", "indexer", "renderer", "uploader"):
        assert await found(accounts.url(service)) == Rights(False, True, of(service))


async def test_whoever_may_everything_is_told_so_and_whoever_looks_on_nothing(accounts: Accounts) -> None:
    assert await found(accounts.url("admin")) == Rights(True, True, frozenset(q.name for q in QUEUES))
    assert await found(accounts.url("monitor")) == Rights(False, False, frozenset())


async def test_to_ask_takes_no_message_and_leaves_none(rabbit: RabbitRig, declared_url: str) -> None:
    await rabbit.bus.publish(OpenFolder(folder="f"))
    before = await rabbit.bus.depths([queue.name for queue in QUEUES])
    assert (await found(declared_url)).reads
    assert await rabbit.bus.depths([queue.name for queue in QUEUES]) == before
    message = await rabbit.client.get("indexer.OpenFolder")
    assert not message.redelivered
