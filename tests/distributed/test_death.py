"""Two processes of each service, of which one after another is killed while images are made."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.distributed.asking import ask_all, ended, variables, wishes
from tests.distributed.beside import beside
from tests.distributed.doors import CUT_OFF, front_door
from tests.distributed.killer import havoc
from tests.distributed.processes import SERVICES, cluster
from tests.distributed.verdict import broken_promises, left_over
from tests.nodes.broker import Broker

USERS = ("Areg", "Mira", "Tomas", "Ines")
IMAGES = 300
QUANTITIES = (*(1 + turn % 9 for turn in range(54)), *[5] * 6)
#: Each process of the eight dies once, the first of them twice; these are the seconds between.
KILLS, PAUSES = 9, (2.0, 4.0)
#: What gives time to be killed in: two images at once.
RENDER_SECONDS = 0.15


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_whoever_is_killed_every_image_is_made_once_and_none_is_lost(
    rabbitmq_node: Broker, rabbitmq_url: str, postgres_url: str, tmp_path: Path
) -> None:
    async with beside(tmp_path, RENDER_SECONDS) as around:
        known = variables(around, rabbitmq_url, postgres_url, tmp_path)

        async def rendered() -> int:
            return (await around.renders()).total()

        async with (
            cluster(tmp_path, known, dict.fromkeys(SERVICES, 2)) as system,
            front_door(system.of("gateway"), CUT_OFF) as (client, _),
        ):
            wanted = await wishes(client, USERS, QUANTITIES)
            killing = asyncio.create_task(havoc(system, 7, KILLS, PAUSES, rendered))
            await ask_all(wanted, rabbitmq_url, pause=0.1)
            kills = await killing
            assert {kill.victim for kill in kills} == {replica.name for replica in system.replicas}
            assert sum(0 < kill.rendered < IMAGES for kill in kills) >= len(SERVICES)
            batches = await ended(wanted, within=150)
            assert sum(batch["quantity"] for batch in batches) == IMAGES
            assert await broken_promises(around, postgres_url, batches) == []
            assert await left_over(rabbitmq_node, urlsplit(rabbitmq_url).path[1:]) == {}
            assert system.errors() == []
