"""Every process is stopped and started again, one of each service at a time, and nobody outside notices."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.distributed.asking import Wish, ended, variables, wishes
from tests.distributed.beside import beside
from tests.distributed.doors import REFUSED, front_door
from tests.distributed.processes import SERVICES, Cluster, Replica, cluster
from tests.distributed.verdict import broken_promises

USERS = ("Areg", "Mira", "Tomas")
QUANTITIES = (2, 3, 4) * 12
RENDER_SECONDS = 0.15


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_rolling_restart_fails_no_request_and_renders_no_image_twice(
    rabbitmq_url: str, postgres_url: str, tmp_path: Path
) -> None:
    """The load balancer asks the next gateway only where a connection is refused, and none whose /ready says
    no; any other end of a call, and any answer that is not a success, fails the test."""
    async with beside(tmp_path, RENDER_SECONDS) as around:
        known = variables(around, rabbitmq_url, postgres_url, tmp_path)
        two = dict.fromkeys(SERVICES, 2)
        async with (
            cluster(tmp_path, known, two) as system,
            front_door(system.of("gateway"), REFUSED) as (client, balancer),
        ):
            wanted = await wishes(client, USERS, QUANTITIES)
            looking = asyncio.create_task(_look(wanted[0]))
            asking = asyncio.create_task(_ask(wanted))
            await asyncio.gather(*(_roll(system.of(service), system) for service in two))
            await asking
            assert not looking.done(), looking.exception()
            looking.cancel()
            batches = await ended(wanted, within=90)
            assert await broken_promises(around, postgres_url, batches) == []
            assert system.errors() == []
            assert balancer.answered > 100


async def _roll(replicas: Sequence[Replica], system: Cluster) -> None:
    for replica in replicas:
        await replica.stop()
        await replica.start()
        await replica.ready(system.client)


async def _ask(wanted: Sequence[Wish]) -> None:
    """Every third caller waits for the end of his batch, the others come back for it."""
    async with asyncio.TaskGroup() as asking:
        for turn, wish in enumerate(wanted):
            asking.create_task(_succeeds(wish, {} if turn % 3 else {"Prefer": "wait=3"}))
            await asyncio.sleep(0.4)


async def _succeeds(wish: Wish, preference: dict[str, str]) -> None:
    answer = await wish.put(**preference)
    assert answer.is_success, answer.text


async def _look(wish: Wish) -> None:
    while True:
        answer = await wish.caller.call("GET", "/v1/batches?limit=5")
        assert answer.is_success, answer.text
        await asyncio.sleep(0.05)
