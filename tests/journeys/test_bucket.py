"""The whole system with its finished bytes in an S3 bucket, also while that goes away and comes back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from messaging.memory import MemoryBus
from tests.journeys.around import Around
from tests.journeys.caller import indexes
from tests.journeys.evidence import breaches, gathered
from tests.journeys.system import System, running
from tests.journeys.waiting import until
from tests.s3.gate import Gate, gate_before
from tests.s3.server import VARIABLES, S3Server

TROUBLED = {"renderer blob store", "uploader blob store"}


@pytest.fixture
async def gate(s3: S3Server) -> AsyncIterator[Gate]:
    async with gate_before(s3.endpoint) as made:
        yield made


async def troubles(system: System) -> dict[str, str]:
    found: dict[str, str] = (await system.client.get("/ready")).json()["troubles"]
    return found


async def test_every_image_passes_through_the_bucket_and_leaves_nothing_there(
    beside: Around, gate: Gate, s3: S3Server, tmp_path: Path
) -> None:
    bucket = s3.new_bucket()
    url = s3.url(bucket, endpoint=gate.url)
    async with running(MemoryBus(), beside, tmp_path, BLOBS_URL=url, **VARIABLES) as system:
        areg = system.caller("Areg")
        lily = await areg.register("Iron Lily")
        batches = await asyncio.gather(
            *(areg.ask(name, lily, quantity=quantity) for name, quantity in (("a", 4), ("b", 2)))
        )
        ended = [await areg.ended(batch) for batch in batches]
        assert [batch["status"] for batch in ended] == ["succeeded"] * 2
        assert sorted(number for batch in ended for number in indexes(batch["images"])) == [1, 2, 3, 4, 5, 6]
        assert breaches(await gathered(beside, ended)) == []
        assert sum(request.startswith("PUT") for request in gate.requests) == 6

        async def empty() -> bool:
            return await asyncio.to_thread(s3.names, bucket) == []

        await until(empty)
        assert not (tmp_path / "blobs").exists()


@pytest.mark.parametrize(
    ("status", "code", "reason"), [(503, "SlowDown", "503"), (403, "AccessDenied", "rights to get, put")]
)
async def test_a_bucket_that_goes_away_pauses_the_work_and_shows_at_ready(
    status: int, code: str, reason: str, beside: Around, gate: Gate, s3: S3Server, tmp_path: Path
) -> None:
    url = s3.url(s3.new_bucket(), endpoint=gate.url)
    async with running(MemoryBus(), beside, tmp_path, BLOBS_URL=url, **VARIABLES) as system:
        areg = system.caller("Areg")
        lily = await areg.register("Iron Lily")
        assert await troubles(system) == {}
        before = await areg.ask("before", lily, quantity=2)
        gate.answers(status, code)
        during = await areg.ask("during", lily, quantity=3)

        async def rendered() -> bool:
            return (await beside.renders()).total() >= 3

        await until(rendered)
        found = await troubles(system)
        assert found.keys() == TROUBLED
        assert all(reason in why for why in found.values())
        assert (await areg.look(during))["completed_at"] is None
        gate.faults.clear()
        ended = [await areg.ended(batch) for batch in (before, during)]
        assert [batch["status"] for batch in ended] == ["succeeded"] * 2
        assert breaches(await gathered(beside, ended)) == []
        assert await troubles(system) == {}
