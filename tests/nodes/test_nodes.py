"""The nodes keep what a test relies on: apart from each other, durable, and gone with the run."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aio_pika
import asyncpg  # type: ignore[import-untyped]
import pytest
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractQueue

from tests.nodes.broker import Broker
from tests.nodes.machine import LocalMachine, claimed, free_ports
from tests.nodes.node import Node
from tests.nodes.packages import NodeUnavailableError
from tests.nodes.postgres import OwnPostgres, Server
from tests.nodes.rabbitmq import OwnRabbitmq
from tests.nodes.waiting import wait_until
from tests.nodes.warden import Ward, descendants
from tests.source import ROOT


async def declare(channel: AbstractChannel, name: str = "work") -> AbstractQueue:
    return await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})


async def publish(channel: AbstractChannel, body: bytes, seconds: float = 10) -> None:
    message = Message(body, delivery_mode=DeliveryMode.PERSISTENT)
    await channel.default_exchange.publish(message, "work", timeout=seconds)


def dsn(url: str) -> str:
    return url.replace("+asyncpg", "")


@pytest.mark.slow
async def test_what_was_confirmed_survives_a_killed_broker(own_rabbitmq: OwnRabbitmq) -> None:
    async with await aio_pika.connect(own_rabbitmq.url) as connection:
        channel = await connection.channel()
        await declare(channel)
        await publish(channel, b"kept")
        assert own_rabbitmq.queues() == {"work": 1}
        await own_rabbitmq.kill()
    await own_rabbitmq.start()
    async with await aio_pika.connect(own_rabbitmq.url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue("work", ensure=False)
        message = await queue.get(timeout=10)
        await publish(channel, b"and it goes on")
    assert message is not None
    assert message.body == b"kept"


@pytest.mark.slow
async def test_a_broker_with_a_memory_alarm_or_frozen_takes_nothing(own_rabbitmq: OwnRabbitmq) -> None:
    async with await aio_pika.connect(own_rabbitmq.url) as connection:
        channel = await connection.channel()
        await declare(channel)
        own_rabbitmq.raise_memory_alarm()
        with pytest.raises(TimeoutError):
            await publish(channel, b"blocked", seconds=0.3)
        own_rabbitmq.clear_memory_alarm()
        await publish(channel, b"taken")
        own_rabbitmq.pause()
        with pytest.raises(TimeoutError):
            await publish(channel, b"not answered", seconds=0.3)
        own_rabbitmq.resume()
        await own_rabbitmq.ready()
        await publish(channel, b"taken again")


async def test_two_vhosts_share_nothing(rabbitmq_node: Broker, rabbitmq_url: str) -> None:
    other = rabbitmq_node.create_vhost()
    try:
        async with await aio_pika.connect(rabbitmq_url) as connection:
            await declare(await connection.channel())
        assert rabbitmq_node.queues(rabbitmq_url.rpartition("/")[2]) == {"work": 0}
        assert rabbitmq_node.queues(other) == {}
    finally:
        rabbitmq_node.drop_vhost(other)


def test_a_dropped_vhost_takes_its_queues_along(rabbitmq_node: Broker) -> None:
    vhost = rabbitmq_node.create_vhost()
    rabbitmq_node.drop_vhost(vhost)
    with pytest.raises(NodeUnavailableError, match="would not evaluate"):
        rabbitmq_node.evaluate(f'true = rabbit_vhost:exists(<<"{vhost}">>)')


def test_many_workers_may_ask_the_broker_at_once(rabbitmq_node: Broker) -> None:
    with ThreadPoolExecutor(8) as workers:
        answers = workers.map(rabbitmq_node.evaluate, [f"timer:sleep(50), {number}" for number in range(16)])
    assert list(answers) == [str(number) for number in range(16)]


async def test_two_databases_share_nothing(postgres_node: Server, postgres_url: str) -> None:
    other = await postgres_node.create_database()
    try:
        one, two = (
            await asyncpg.connect(dsn(postgres_url)),
            await asyncpg.connect(dsn(postgres_node.url(other))),
        )
        await one.execute("CREATE TABLE mine (number int)")
        assert await one.fetchval("SELECT to_regclass('mine') IS NOT NULL")
        assert await two.fetchval("SELECT to_regclass('mine') IS NULL")
        await one.close()
        await two.close()
    finally:
        await postgres_node.drop_database(other)


async def test_what_was_committed_survives_a_killed_database(own_postgres: OwnPostgres) -> None:
    connection = await asyncpg.connect(dsn(own_postgres.url))
    await connection.execute("CREATE TABLE counter AS SELECT 41 AS number")
    await own_postgres.kill()
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await connection.execute("UPDATE counter SET number = 42")
    connection.terminate()
    await own_postgres.start()
    await own_postgres.restart()
    again = await asyncpg.connect(dsn(own_postgres.url))
    assert await again.fetchval("SELECT number FROM counter") == 41
    await again.close()


def shell(folder: Path, script: str, owner: int) -> LocalMachine:
    ward = Ward(["/bin/sh", "-c", script], str(folder), owner, str(folder))
    return LocalMachine(ward, {"PATH": os.environ["PATH"]}, signal.SIGTERM)


def test_a_server_and_all_it_started_end_with_their_owner(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    owner = subprocess.Popen(["sleep", "60"])
    machine = shell(folder, "(setsid sleep 60 &) ; exec sleep 60", owner.pid)
    machine.launch()
    keeper = machine.keeper()
    wait_until(lambda: len(descendants(keeper)) == 2)
    started = descendants(keeper)
    owner.kill()
    owner.wait()
    wait_until(lambda: not machine.alive())
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    assert not folder.exists()


async def test_a_server_that_ends_at_once_is_reported_with_its_log(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    machine = shell(tmp_path, "echo the disk is full; exit 1", os.getpid())
    with pytest.raises(NodeUnavailableError, match=r"ended at once(.|\n)*the disk is full"):
        await Node("A server", machine, never, within=10).start()


async def test_a_server_that_never_answers_is_reported_with_its_log(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    machine = shell(tmp_path, "echo still thinking; exec sleep 60", os.getpid())
    node = Node("A server", machine, never, within=0.2)
    with pytest.raises(NodeUnavailableError, match=r"did not answer within 0.2 s(.|\n)*still thinking"):
        await node.start()
    await node.remove()


def test_free_ports_differ_and_are_not_ephemeral() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(1024 < port < 32_768 for port in ports)


def test_a_port_is_its_processs_own_until_that_ends() -> None:
    (port,) = free_ports(1)
    assert not claimed(port)
    words = f"from tests.nodes.machine import claimed; print(claimed({port}), claimed({port + 20_000}))"
    ask = [sys.executable, "-c", words]
    for _ in range(2):
        # The second port is beyond the range from which any is given.
        assert subprocess.run(ask, capture_output=True, check=True, cwd=ROOT).stdout == b"False True\n"
