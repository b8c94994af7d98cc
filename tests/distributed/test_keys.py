"""A process is killed while it works on a call under an `Idempotency-Key`: who asks again gets the same."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.database import open_database
from services.gateway.adapters.tables import KEYS
from services.gateway.app import MIGRATIONS
from tests.distributed.processes import Replica
from tests.journeys.caller import SECRET, Caller
from tests.journeys.waiting import until
from tests.source import ROOT

KEY = {"Idempotency-Key": "order-91"}


async def asked(areg: Caller, character: str, prefer: str) -> httpx.Response:
    wish = {"prompt": "opal light", "quantity": 2}
    return await areg.call("POST", f"/v1/characters/{character}/batches", wish, **KEY, Prefer=prefer)


async def listed(areg: Caller) -> list[Any]:
    found: list[Any] = (await areg.call("GET", "/v1/batches")).json()["items"]
    return found


@pytest.mark.slow
async def test_a_call_whose_gateway_is_killed_is_gone_on_with_as_the_same_batch(
    rabbitmq_url: str, postgres_url: str, tmp_path: Path
) -> None:
    known = {"JWT_SECRET": SECRET, "BUS_URL": rabbitmq_url, "DATABASE_URL": postgres_url}
    gateway = Replica("gateway", 1, tmp_path, known | {"WORKFLOWS_DIR": str(ROOT / "workflows")})
    await gateway.start()
    try:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
            await gateway.ready(client)
            areg = Caller(client, "Areg")
            character = await areg.register("Opal Fever")
            waiting = asyncio.create_task(asked(areg, character, "wait=50"))
            (made,) = await until(lambda: listed(areg))
            await gateway.kill()
            with pytest.raises(httpx.TransportError):
                await waiting
            await gateway.start()
            await gateway.ready(client)
            busy = await asked(areg, character, "respond-async")
            assert (busy.status_code, busy.json()["code"]) == (409, "idempotency_key_in_use")
            await _patience_ends(postgres_url)
            again = await asked(areg, character, "respond-async")
            assert (again.status_code, again.json()["id"]) == (202, made["id"])
            assert "Idempotent-Replayed" not in again.headers
            replayed = await asked(areg, character, "respond-async")
            assert (replayed.content, replayed.headers["Idempotent-Replayed"]) == (again.content, "true")
            assert [batch["id"] for batch in await listed(areg)] == [made["id"]]
    finally:
        await gateway.end()


async def _patience_ends(url: str) -> None:
    """Nobody has heard of the first call for as long as it is waited for."""
    async with open_database(url, "gateway", MIGRATIONS) as database, database.begin() as connection:
        assert (await connection.execute(KEYS.update().values(lease_until=0.0))).rowcount == 1
