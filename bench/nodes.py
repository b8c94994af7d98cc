"""A RabbitMQ and a PostgreSQL for one run of a benchmark."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from tests.nodes.broker import Broker
from tests.nodes.node import run_apart
from tests.nodes.postgres import Server
from tests.nodes.shared import Run


@dataclass(frozen=True)
class Nodes:
    """Each is started when it is first asked for."""

    run: Run

    @cached_property
    def broker(self) -> Broker:
        return self.run.broker()

    @cached_property
    def server(self) -> Server:
        return self.run.server()

    def bus_url(self) -> str:
        """Of a new vhost."""
        return self.broker.url(self.broker.create_vhost())

    def database_url(self) -> str:
        """Of a new database."""
        return self.server.url(run_apart(self.server.create_database()))

    def broker_pid(self) -> int:
        return int(self.broker.evaluate("list_to_integer(os:getpid())"))

    async def start(self) -> None:
        """Both at once."""
        await asyncio.gather(asyncio.to_thread(lambda: self.broker), asyncio.to_thread(lambda: self.server))


@contextmanager
def nodes() -> Iterator[Nodes]:
    run = Run.begin()
    try:
        yield Nodes(run)
    finally:
        run.end()
