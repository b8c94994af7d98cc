"""Buses on a bench. Declaring the topology takes half a second, so a worker's tests share one vhost."""

from collections.abc import AsyncIterator, Iterator

import aio_pika
import pytest

from messaging.rabbitmq import open_rabbitmq
from tests.messaging.rig import Client, MemoryRig, RabbitRig, Rig
from tests.nodes.broker import Broker
from tests.nodes.node import run_apart


async def _declare(url: str) -> None:
    async with open_rabbitmq(url, "tests"):
        pass


@pytest.fixture(scope="session")
def declared_url(rabbitmq_node: Broker) -> Iterator[str]:
    """A vhost with our topology. Whoever deletes a part of it takes `rabbitmq_url` instead."""
    vhost = rabbitmq_node.create_vhost()
    url = rabbitmq_node.url(vhost)
    run_apart(_declare(url))
    yield url
    rabbitmq_node.drop_vhost(vhost)


@pytest.fixture
async def client(declared_url: str) -> AsyncIterator[Client]:
    """A plain client of that vhost, whose queues are empty now."""
    async with await aio_pika.connect(declared_url) as connection:
        plain = Client(await connection.channel())
        await plain.empty()
        yield plain


@pytest.fixture
async def rabbit(declared_url: str, client: Client) -> AsyncIterator[RabbitRig]:
    async with open_rabbitmq(declared_url, "tests", declare=False) as bus:
        yield RabbitRig(bus, client)


@pytest.fixture(params=["memory", "amqp"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """Each bus in turn."""
    if request.param == "memory":
        return MemoryRig()
    rabbit: Rig = request.getfixturevalue("rabbit")
    return rabbit
