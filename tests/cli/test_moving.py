"""`darkroom topology migrate`, at a real broker."""

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count

import pytest

from chassis.settings import BadSettings
from cli.broker import BrokerSettings
from cli.moving import migrated
from contracts.commands import OpenFolder
from contracts.topology import places
from contracts.transient import ServiceStatus
from messaging.rabbitmq import RabbitBus, open_rabbitmq
from messaging.rabbitmq.errands import clashes, errand
from messaging.rabbitmq.hands import BESIDE
from tests.cli import mover
from tests.cli.test_broker import darkroom
from tests.messaging.rabbitmq.conftest import plain_client
from tests.messaging.rig import Client, until
from tests.source import ROOT

OPENINGS = next(place for place in places() if place.name == "indexer.OpenFolder")


@pytest.fixture
async def bus(rabbitmq_url: str) -> AsyncIterator[RabbitBus]:
    async with open_rabbitmq(rabbitmq_url, "tests") as bus:
        yield bus


async def run(url: str, *names: str, listening: float = 0.3) -> tuple[int, str]:
    said: list[str] = []
    settings = BrokerSettings(bus_url=url)
    status = await migrated(settings, names, said.append, listening=listening, quiet=0.3)
    return status, "\n".join(said)


async def older(client: Client) -> None:
    """The queue as an older release declared it."""
    await client.channel.queue_delete(OPENINGS.name)
    queue = await client.channel.declare_queue(
        OPENINGS.name, durable=True, arguments={**OPENINGS.arguments, "x-delivery-limit": 5}
    )
    await queue.bind(OPENINGS.exchange, OPENINGS.key)


async def test_queues_that_are_as_they_should_be_are_left_alone(bus: RabbitBus, rabbitmq_url: str) -> None:
    assert await run(rabbitmq_url) == (0, "every queue is as it should be")


async def test_the_queue_and_the_argument_are_named_and_mended(bus: RabbitBus, rabbitmq_url: str) -> None:
    async with plain_client(rabbitmq_url) as client:
        await older(client)
        await bus.publish(OpenFolder(folder="f"))
        status, said = await run(rabbitmq_url)
        assert status == 0
        assert "indexer.OpenFolder: " in said
        assert "inequivalent arg 'x-delivery-limit'" in said
        assert said.endswith("indexer.OpenFolder is as it should be, with 1 messages that lay in it")
        assert await client.size(OPENINGS.name) == 1
    assert (await run(rabbitmq_url))[1] == "every queue is as it should be"


async def test_processes_that_hold_messages_are_named_first(bus: RabbitBus, rabbitmq_url: str) -> None:
    async with plain_client(rabbitmq_url) as client:
        await older(client)

    async def lives() -> None:
        while True:
            for service in ("indexer", "renderer"):
                await bus.publish(
                    ServiceStatus(service=service, instance=f"{service}-7", at=datetime.now(UTC), ready=True)
                )
            await asyncio.sleep(0.05)

    living = asyncio.create_task(lives())
    try:
        status, said = await run(rabbitmq_url, listening=0.5)
    finally:
        living.cancel()
    assert status == 1
    assert "these processes run, and hold messages of these queues: indexer indexer-7; stop them" in said
    async with errand(rabbitmq_url, "tests") as connection:
        assert await clashes(connection, OPENINGS)


async def test_a_queue_that_does_not_exist_is_refused(bus: RabbitBus, rabbitmq_url: str) -> None:
    with pytest.raises(BadSettings, match=r"no queue renderer\.Nothing; there are indexer"):
        await run(rabbitmq_url, "renderer.Nothing")


@asynccontextmanager
async def moving(url: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.cli.mover", url), cwd=ROOT, stdout=PIPE, stderr=DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_command_that_is_killed_in_the_middle_is_typed_again_and_nothing_is_lost_meanwhile(
    bus: RabbitBus, rabbitmq_url: str
) -> None:
    """While messages flow; a publisher sees no refusal, and what it said last is there too."""
    said: list[OpenFolder] = []
    enough = asyncio.Event()

    async def says() -> None:
        for number in count():
            said.append(OpenFolder(folder=f"f{number}"))
            await bus.publish(said[-1])
            if enough.is_set():
                return
            await asyncio.sleep(0.01)

    async with plain_client(rabbitmq_url) as client:
        saying = asyncio.create_task(says())
        async with moving(rabbitmq_url) as process:

            async def in_the_middle() -> bool:
                return BESIDE in "".join(await bus.depths([OPENINGS.name + BESIDE]))

            await until(in_the_middle)
            process.kill()
            assert await process.wait() == -signal.SIGKILL
        for _ in range(3):
            async with moving(rabbitmq_url) as process:
                await process.communicate()
            # The broker may not have noticed yet that the killed one is gone.
            if process.returncode == 0:
                break
        assert process.returncode == 0
        enough.set()
        await saying
        bodies = [(await client.get(OPENINGS.name)).body for _ in range(await client.size(OPENINGS.name))]
    assert {*bodies} == {message.encode() for message in said}
    arguments = {**OPENINGS.arguments, "x-delivery-limit": mover.LIMIT}
    async with errand(rabbitmq_url, "tests") as connection:
        assert await clashes(connection, OPENINGS._replace(arguments=arguments)) is None


async def test_it_is_what_one_types(bus: RabbitBus, rabbitmq_url: str) -> None:
    done = await asyncio.to_thread(darkroom, "topology", "migrate", OPENINGS.name, bus_url=rabbitmq_url)
    assert (done.returncode, done.stdout) == (0, "every queue is as it should be\n"), done.stderr
