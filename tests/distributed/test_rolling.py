"""Every process is stopped and started again as the next release, one of each service at a time, and nobody
outside notices: so an upgrade under load, in which both releases of every service work side by side."""

import asyncio
import sys
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from tests.distributed.asking import Wish, ended, variables, wishes
from tests.distributed.beside import beside
from tests.distributed.doors import REFUSED, front_door
from tests.distributed.following import Follower
from tests.distributed.processes import SERVICES, Cluster, Replica, cluster
from tests.distributed.verdict import broken_promises
from tests.journeys.evidence import Batch
from tests.journeys.waiting import until

USERS = ("Areg", "Mira", "Tomas")
QUANTITIES = (2, 3, 4) * 12
RENDER_SECONDS = 0.15
#: Begins a process as the next release.
NEWER = (sys.executable, "-m", "tests.distributed.newer")


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_rolling_restart_fails_no_request_and_renders_no_image_twice(
    rabbitmq_url: str, postgres_url: str, tmp_path: Path
) -> None:
    """The load balancer keeps its connections, asks the next gateway only where one is refused, and none
    whose /ready says no; any other end of a call, and any answer that is not a success, fails the test. So
    does a stream that is cut off, or that misses an image. Each process has to end with 0, and in time.

    The next release says more in each message and has added to the tables, which the first of its processes
    does while the other one of its service goes on; batches are begun by the one and ended by the other."""
    async with beside(tmp_path, RENDER_SECONDS) as around:
        known = variables(around, rabbitmq_url, postgres_url, tmp_path) | {"DRAIN_SECONDS": "2"}
        two = dict.fromkeys(SERVICES, 2)
        async with (
            cluster(tmp_path, known, two) as system,
            front_door(system.of("gateway"), REFUSED) as (client, balancer),
        ):
            wanted = await wishes(client, USERS, QUANTITIES)
            follower = Follower(USERS[0], system.of("gateway"))
            following = asyncio.create_task(follower.follow())
            looking = asyncio.create_task(_look(wanted[0]))
            asking = asyncio.create_task(_ask(wanted))
            await asyncio.gather(*(_roll(system.of(service), system) for service in two))
            await asking
            assert not looking.done(), looking.exception()
            looking.cancel()
            batches = await ended(wanted, within=90)
            await _missed_nothing(follower, following, batches)
            assert await broken_promises(around, postgres_url, batches) == []
            assert await _added(postgres_url) == set(SERVICES)
            assert system.errors() == []
            assert balancer.answered > 100


async def _roll(replicas: Sequence[Replica], system: Cluster) -> None:
    for replica in replicas:
        await replica.stop()
        replica.through = NEWER
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


async def _added(url: str) -> set[str]:
    """Services whose tables are the next release's."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), ssl=False)
    try:
        rows = await connection.fetch("SELECT schemaname FROM pg_tables WHERE tablename = 'added_later'")
    finally:
        await connection.close()
    return {row["schemaname"] for row in rows}


async def _missed_nothing(
    follower: Follower, following: "asyncio.Task[None]", batches: Sequence[Batch]
) -> None:
    """Over all restarts he was told of every image, and only once from the beginning."""
    theirs = [batch for batch, user in zip(batches, cycle(USERS), strict=False) if user == USERS[0]]
    images = {(batch["id"], image["ordinal"]) for batch in theirs for image in batch["images"]}

    async def told() -> bool:
        assert not following.done(), following.exception()
        return images <= follower.made

    await until(told)
    following.cancel()
    assert follower.sent_off >= 1, "no gateway stopped while he was there"
    assert follower.begun == 1, "he had to begin anew"


async def _look(wish: Wish) -> None:
    while True:
        answer = await wish.caller.call("GET", "/v1/batches?limit=5")
        assert answer.is_success, answer.text
        await asyncio.sleep(0.05)
