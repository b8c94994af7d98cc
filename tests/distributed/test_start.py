"""A service on its own: what it asks for before it starts, and what it waits for."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from contracts.commands import GenerateBatch
from messaging.bus import Subscription
from messaging.rabbitmq import open_rabbitmq
from tests.distributed.processes import Replica
from tests.journeys.caller import SECRET, Caller
from tests.journeys.process import ran
from tests.journeys.waiting import until
from tests.messaging.ear import Ear
from tests.messaging.forwarder import Forwarder
from tests.source import ROOT

#: What no service makes up.
NEEDED = {
    "gateway": ("BUS_URL", "DATABASE_URL"),
    "indexer": ("BUS_URL", "DATABASE_URL", "CLOUDINARY_URL"),
    "renderer": ("BUS_URL", "DATABASE_URL", "BLOBS_URL", "RENDERER_URLS"),
    "uploader": ("BUS_URL", "DATABASE_URL", "BLOBS_URL", "CLOUDINARY_URL"),
}
#: Where nobody listens; for starts that end before anybody is called.
NOWHERE = {
    "BUS_URL": "amqp://nobody@127.0.0.1:1",
    "DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:1/x",
}


async def refusal(service: str, known: Mapping[str, str]) -> str:
    """What it says when it does not start."""
    ended = await ran("-m", f"services.{service}", known=known)
    assert ended.status == 2, ended
    assert "Traceback" not in ended.error
    assert f"{service} does not start:" in ended.error
    return ended.error


@pytest.mark.slow
async def test_a_service_without_its_urls_says_which_to_set_and_how() -> None:
    said = await asyncio.gather(*(refusal(service, {}) for service in NEEDED))
    for text, needed in zip(said, NEEDED.values(), strict=True):
        lines = [line for line in text.splitlines() if " is not set (" in line]
        assert {line.split()[0] for line in lines} == set(needed)


@pytest.mark.slow
async def test_a_service_says_what_no_other_default_can_stand_in_for() -> None:
    keyless, alone = await asyncio.gather(
        refusal("gateway", NOWHERE),
        refusal("gateway", NOWHERE | {"JWT_SECRET": SECRET, "BUS_URL": "memory:"}),
    )
    assert "JWT_SECRET or JWT_JWKS_URL must be set" in keyless
    assert "BUS_URL is memory:, which reaches nobody outside one process" in alone


@pytest.mark.slow
async def test_a_wrong_password_is_named_and_not_shown(rabbitmq_url: str, postgres_url: str) -> None:
    right = {"JWT_SECRET": SECRET, "WORKFLOWS_DIR": str(ROOT / "workflows")}
    right |= {"BUS_URL": rabbitmq_url, "DATABASE_URL": postgres_url}
    said = await asyncio.gather(
        refusal("gateway", right | {"BUS_URL": _mistaken(rabbitmq_url)}),
        refusal("gateway", right | {"DATABASE_URL": _mistaken(postgres_url)}),
    )
    assert "does not know user 'darkroom' by this password" in said[0]
    assert "DATABASE_URL" in said[1]
    assert "password" in said[1].partition("\n")[2]
    assert "mistaken" not in "".join(said)


@pytest.mark.slow
async def test_a_service_waits_for_a_broker_and_a_database_that_come_later(
    rabbitmq_url: str, postgres_url: str, tmp_path: Path
) -> None:
    broker, database = Forwarder(rabbitmq_url), Forwarder(postgres_url)
    known = {"JWT_SECRET": SECRET, "BUS_URL": broker.url, "DATABASE_URL": database.url, "DRAIN_SECONDS": "0"}
    gateway = Replica("gateway", 1, tmp_path, known)

    async def waits_for(word: str) -> None:
        async def said() -> bool:
            return word in gateway.tail()

        await until(said)
        assert gateway.runs()

    await gateway.start()
    try:
        async with httpx.AsyncClient() as client:
            await waits_for("waiting for the broker")
            async with broker.laid():
                await waits_for("waits for the database")
                async with database.laid():
                    await gateway.ready(client)
                    await gateway.stop()
    finally:
        await gateway.end()


@pytest.mark.slow
async def test_every_service_that_is_told_to_stop_while_its_broker_is_away_ends_well_and_soon(
    postgres_url: str, tmp_path: Path
) -> None:
    """`tests/chassis/test_main.py` has the same of one that still waits to open its port."""
    urls = {"BLOBS_URL": f"file:{tmp_path}/blobs", "CLOUDINARY_URL": "cloudinary://key:secret@cloud"}
    known = {**urls, "JWT_SECRET": SECRET, "BUS_URL": NOWHERE["BUS_URL"], "DATABASE_URL": postgres_url}
    known |= {"RENDERER_URLS": "comfyui+http://127.0.0.1:1", "WORKFLOWS_DIR": str(ROOT / "workflows")}
    alone = [Replica(service, 1, tmp_path, known | {"DRAIN_SECONDS": "0"}) for service in NEEDED]

    async def ends(replica: Replica) -> None:
        await replica.start()
        try:

            async def said() -> bool:
                return '"running"' in replica.tail()

            await until(said)
            await replica.stop()
        finally:
            await replica.end()

    await asyncio.gather(*(ends(replica) for replica in alone))


@pytest.mark.slow
async def test_a_gateway_that_starts_without_a_broker_accepts_and_sends_once_it_is_there(
    rabbitmq_url: str, postgres_url: str, tmp_path: Path
) -> None:
    broker = Forwarder(rabbitmq_url)
    known = {"JWT_SECRET": SECRET, "BUS_URL": broker.url, "DATABASE_URL": postgres_url}
    gateway, ear = Replica("gateway", 1, tmp_path, known), Ear()
    await gateway.start()
    try:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as client:
            await gateway.ready(client)
            told = (await client.get("/ready")).json()
            assert told["status"] == "ready"
            assert "broker" in told["outlasted"]["bus"]
            areg = Caller(client, "Areg")
            batch_id = await areg.ask("order-1", await areg.register("Opal Fever"))
            assert (await areg.look(batch_id))["status"] == "queued"
            reading = [Subscription("indexer", GenerateBatch, ear)]
            async with broker.laid(), open_rabbitmq(rabbitmq_url, "tests") as bus, bus.consuming(reading):
                (command,) = await ear.hears()
            assert command.batch_id == batch_id
    finally:
        await gateway.end()


def _mistaken(url: str) -> str:
    return url.replace(f":{urlsplit(url).password}@", ":mistaken@")
