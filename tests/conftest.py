"""What every test may ask for: a broker and a database of its own, in a run that leaves nothing behind."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.broker import Broker
from tests.nodes.choice import private_postgres, private_rabbitmq
from tests.nodes.machine import Owner
from tests.nodes.node import run_apart
from tests.nodes.postgres import OwnPostgres, Server
from tests.nodes.rabbitmq import OwnRabbitmq
from tests.nodes.shared import Run
from tests.s3.server import S3Server, s3_server

pytest_plugins = ["tests.no_skips"]

RUN = pytest.StashKey[Run]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole", action="store_true", help="fault runs at their full length, not a minute of each"
    )


def pytest_configure(config: pytest.Config) -> None:
    led: dict[str, Any] | None = getattr(config, "workerinput", None)
    config.stash[RUN] = Run.begin() if led is None else Run(Path(led["run_folder"]), led["run_leader"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker which run it belongs to."""
    run = node.config.stash[RUN]
    node.workerinput["run_folder"], node.workerinput["run_leader"] = str(run.folder), run.leader


def pytest_unconfigure(config: pytest.Config) -> None:
    run = config.stash[RUN]
    if run.leader == os.getpid():
        run.end()


@pytest.fixture(scope="session")
def nodes_run(request: pytest.FixtureRequest) -> Run:
    return request.config.stash[RUN]


@pytest.fixture(scope="session")
def rabbitmq_node(nodes_run: Run) -> Broker:
    """The run's broker, shared with every other test: do nothing to it but in a vhost of your own."""
    return nodes_run.broker()


@pytest.fixture(scope="session")
def postgres_node(nodes_run: Run) -> Server:
    """The run's database server, shared with every other test."""
    return nodes_run.server()


@pytest.fixture
def rabbitmq_url(rabbitmq_node: Broker) -> Iterator[str]:
    """`amqp:` URL of a new, empty vhost, gone after the test."""
    vhost = rabbitmq_node.create_vhost()
    yield rabbitmq_node.url(vhost)
    rabbitmq_node.drop_vhost(vhost)


@pytest.fixture
def postgres_url(postgres_node: Server) -> Iterator[str]:
    """`postgresql+asyncpg:` URL of a new, empty database, gone after the test."""
    database = run_apart(postgres_node.create_database())
    yield postgres_node.url(database)
    run_apart(postgres_node.drop_database(database))


@pytest.fixture
def own_rabbitmq(nodes_run: Run) -> Iterator[OwnRabbitmq]:
    """A broker to kill, restart, freeze or alarm; takes about 5 s to start, and again for each restart."""
    folder = nodes_run.node_folder("own-rabbitmq")
    node = private_rabbitmq(folder, Owner(os.getpid(), folder))
    try:
        run_apart(node.start())
        yield node
    finally:
        run_apart(node.remove())


@pytest.fixture
def own_postgres(nodes_run: Run) -> Iterator[OwnPostgres]:
    """A database server to kill, restart or freeze; takes about 1 s to start."""
    folder = nodes_run.node_folder("own-postgres")
    node = private_postgres(folder, Owner(os.getpid(), folder))
    try:
        run_apart(node.start())
        yield node
    finally:
        run_apart(node.remove())


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3-compatible server of this test process; take a bucket of your own."""
    with s3_server() as server:
        yield server
