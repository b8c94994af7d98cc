"""A neighbour goes away in mid-batch and comes back: work pauses, goes on by itself, and nobody is blamed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.distributed.asking import Wish, ask_all, ended, under_way, variables, wishes
from tests.distributed.beside import beside
from tests.distributed.doors import front_door
from tests.distributed.processes import SERVICES, Cluster, cluster
from tests.distributed.verdict import broken_promises
from tests.distributed.wire import asked, burnt_attempts, dead_letters, spy
from tests.journeys.around import Around
from tests.journeys.waiting import until
from tests.nodes.postgres import OwnPostgres
from tests.nodes.rabbitmq import OwnRabbitmq
from tests.s3.gate import gate_before
from tests.s3.server import VARIABLES, S3Server

USERS = ("Areg", "Mira")
QUANTITIES = (8, 8, 4, 4, 8, 8)
RENDER_SECONDS = 0.25
#: Seconds within which all is made once the neighbour is back: rests grow while it is away.
WITHIN = 90.0


@dataclass(frozen=True)
class AtWork:
    """One process of each service, with some of its images made and others not."""

    system: Cluster
    wanted: list[Wish]
    around: Around
    bus_url: str
    database_url: str

    async def ends_well(self, *more: Wish) -> None:
        """Everything is made, by nobody's second try, and no process thought that it was its own fault."""
        batches = await ended([*self.wanted, *more], WITHIN)
        assert await broken_promises(self.around, self.database_url, batches) == []
        assert await burnt_attempts(self.bus_url) == []
        assert await dead_letters(self.bus_url) == {}
        assert self.system.errors() == []


@asynccontextmanager
async def in_mid_batch(bus_url: str, database_url: str, folder: Path, **more: str) -> AsyncIterator[AtWork]:
    async with beside(folder, RENDER_SECONDS) as around:
        known = variables(around, bus_url, database_url, folder) | more
        one = dict.fromkeys(SERVICES, 1)
        async with cluster(folder, known, one) as system, front_door(system.of("gateway")) as (client, _):
            await spy(bus_url)
            wanted = await wishes(client, USERS, QUANTITIES)
            await ask_all(wanted, bus_url)
            await under_way(wanted, around)
            yield AtWork(system, wanted, around, bus_url, database_url)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_without_rabbitmq_work_pauses_and_what_is_asked_meanwhile_is_delivered_once(
    own_rabbitmq: OwnRabbitmq, postgres_url: str, tmp_path: Path
) -> None:
    async with in_mid_batch(own_rabbitmq.url, postgres_url, tmp_path) as work:
        await own_rabbitmq.stop()
        await work.system.all_say("bus", "indexer", "renderer", "uploader")
        async with front_door(work.system.of("gateway")) as (client, _):
            late = await wishes(client, ("Tomas",), (2, 3, 1, 2))
            answers = [await wish.put() for wish in late]
            assert [answer.status_code for answer in answers] == [202] * len(late)
            await own_rabbitmq.start()
            await work.ends_well(*late)
        sent = await asked(own_rabbitmq.url)
        assert [sent[answer.json()["id"]] for answer in answers] == [1] * len(late)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_without_postgresql_work_pauses(
    rabbitmq_url: str, own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    async with in_mid_batch(rabbitmq_url, own_postgres.url, tmp_path) as work:
        await own_postgres.stop()
        await work.system.all_say("database", *SERVICES)
        await own_postgres.start()
        await work.ends_well()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_without_a_blob_store_work_pauses(rabbitmq_url: str, postgres_url: str, tmp_path: Path) -> None:
    async with in_mid_batch(rabbitmq_url, postgres_url, tmp_path) as work:
        blobs, away = tmp_path / "blobs", tmp_path / "away"
        blobs.rename(away)
        (renderer,) = work.system.of("renderer")

        async def waits() -> bool:
            return renderer.log.read_text().count("waits for the blob store") >= 4

        await until(waits)
        away.rename(blobs)
        await work.ends_well()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_without_an_s3_store_work_pauses(
    rabbitmq_url: str, postgres_url: str, s3: S3Server, tmp_path: Path
) -> None:
    async with gate_before(s3.endpoint) as gate:
        url = s3.url(s3.new_bucket(), endpoint=gate.url)
        async with in_mid_batch(rabbitmq_url, postgres_url, tmp_path, BLOBS_URL=url, **VARIABLES) as work:
            gate.answers(503, "SlowDown")
            await work.system.all_say("blob store", "renderer", "uploader")
            gate.faults.clear()
            await work.ends_well()
