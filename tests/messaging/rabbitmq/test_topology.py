"""The topology, declared or looked at."""

import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from contracts.commands import OpenFolder
from contracts.transient import ChangesLogged
from messaging.bus import Subscription
from messaging.rabbitmq import TopologyMismatch, open_rabbitmq
from tests.messaging.ear import Ear
from tests.messaging.rabbitmq.conftest import plain_client
from tests.nodes.broker import Broker


async def mismatch(url: str, declare: bool) -> str:
    with pytest.raises(TopologyMismatch) as said:
        async with open_rabbitmq(url, "tests", declare):
            raise AssertionError("it was opened")
    return str(said.value)


async def test_without_a_topology_a_service_that_may_not_declare_names_what_is_missing(
    rabbitmq_url: str,
) -> None:
    said = await mismatch(rabbitmq_url, declare=False)
    for name in ("exchange darkroom.dead", "exchange darkroom.wait.5m", "queue indexer.OpenFolder.dead"):
        assert f"no {name}" in said
    assert "darkroom topology apply" in said


async def test_only_what_is_missing_is_named(rabbitmq_url: str) -> None:
    async with open_rabbitmq(rabbitmq_url, "tests"), plain_client(rabbitmq_url) as client:
        await client.channel.queue_delete("indexer.OpenFolder")
    said = await mismatch(rabbitmq_url, declare=False)
    assert said.startswith("the broker has no queue indexer.OpenFolder; ")


async def test_a_queue_of_another_make_is_named_with_what_differs(rabbitmq_url: str) -> None:
    async with plain_client(rabbitmq_url) as client:
        await client.channel.declare_queue("indexer.OpenFolder", durable=True)
    said = await mismatch(rabbitmq_url, declare=True)
    assert "another queue indexer.OpenFolder" in said
    assert "inequivalent arg" in said
    assert "`darkroom topology migrate`" in said


async def test_declaring_again_changes_nothing(declared_url: str) -> None:
    async with open_rabbitmq(declared_url, "one"), open_rabbitmq(declared_url, "other") as bus:
        assert bus.trouble() is None


@pytest.fixture
def servant_url(rabbitmq_node: Broker, declared_url: str) -> Iterator[str]:
    """As a user who may use everything and declare only queues that the broker names."""
    name, password = f"servant-{secrets.token_hex(4)}", secrets.token_hex(8)
    vhost, all_of_it, own = urlsplit(declared_url).path[1:], '<<".*">>', '<<"^amq\\\\.gen.*$">>'
    backend = "rabbit_auth_backend_internal"
    rabbitmq_node.evaluate(f'ok = {backend}:add_user(<<"{name}">>, <<"{password}">>, <<"tests">>)')
    allow = f'<<"{name}">>, <<"{vhost}">>, {own}, {all_of_it}, {all_of_it}, <<"tests">>'
    rabbitmq_node.evaluate(f"ok = {backend}:set_permissions({allow})")
    there = urlsplit(declared_url)
    yield there._replace(netloc=f"{name}:{password}@{there.hostname}:{there.port}").geturl()
    rabbitmq_node.evaluate(f'_ = {backend}:delete_user(<<"{name}">>, <<"tests">>), ok')


async def test_a_user_who_may_not_declare_is_told_what_to_do(servant_url: str) -> None:
    said = await mismatch(servant_url, declare=True)
    assert "may not declare exchange darkroom" in said
    assert "let the services only check it" in said


async def test_a_user_who_may_not_declare_can_do_everything_else(servant_url: str) -> None:
    work, hints = Ear(), Ear()
    async with (
        open_rabbitmq(servant_url, "tests", declare=False) as bus,
        bus.consuming(
            [Subscription("indexer", OpenFolder, work), Subscription("gateway", ChangesLogged, hints)]
        ),
    ):
        await bus.publish(OpenFolder(folder="f"), ChangesLogged(batch_id="b1"))
        await work.hears()
        await hints.hears()
        assert isinstance(await bus.dead_letters(), dict)
