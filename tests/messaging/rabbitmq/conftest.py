"""What the tests of this bus alone need."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aio_pika
import pytest

from tests.messaging.forwarder import Forwarder
from tests.messaging.rig import Client
from tests.nodes.choice import private_rabbitmq
from tests.nodes.machine import Owner
from tests.nodes.node import run_apart
from tests.nodes.rabbitmq import OwnRabbitmq
from tests.nodes.shared import Run


@asynccontextmanager
async def plain_client(url: str) -> AsyncIterator[Client]:
    async with await aio_pika.connect(url) as connection:
        yield Client(await connection.channel())


@pytest.fixture
async def wire(declared_url: str, client: Client) -> AsyncIterator[Forwarder]:
    """A wire to the declared vhost, whose queues are empty."""
    wire = Forwarder(declared_url)
    async with wire.laid():
        yield wire


@pytest.fixture(scope="module")
def broker_to_break(nodes_run: Run) -> Iterator[OwnRabbitmq]:
    """A running broker for the tests of a module; each leaves it running and without an alarm."""
    folder = nodes_run.node_folder("broker-to-break")
    node = private_rabbitmq(folder, Owner(os.getpid(), folder))
    try:
        run_apart(node.start())
        yield node
    finally:
        run_apart(node.remove())
