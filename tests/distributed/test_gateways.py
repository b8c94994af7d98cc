"""Several gateways, one read model: whatever happens is seen at any of them, also what none has asked for."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import time
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.distributed.asking import Wish, variables, wishes
from tests.distributed.beside import beside
from tests.distributed.processes import SERVICES, cluster
from tests.distributed.wire import inject
from tests.journeys.caller import Caller
from tests.journeys.process import ran
from tests.journeys.waiting import until
from tests.services.gateway.adapters.webhooks.receiver import receiving

USER = "Areg"
#: Long enough to be seen on its way.
RENDER_SECONDS = 0.8
#: Seconds that a caller would wait if nobody woke him, and that he may be woken late by.
WAIT, LATE = 60, 5.0


@dataclass(frozen=True)
class Doors:
    """The same person at each of two gateways."""

    wish: Wish
    here: Caller
    there: Caller


@asynccontextmanager
async def two_gateways(
    bus_url: str, database_url: str, folder: Path, quantity: int, **more: str
) -> AsyncIterator[Doors]:
    async with AsyncExitStack() as stack:
        around = await stack.enter_async_context(beside(folder, RENDER_SECONDS))
        known = variables(around, bus_url, database_url, folder) | more
        counts = dict.fromkeys(SERVICES, 1) | {"gateway": 2}
        system = await stack.enter_async_context(cluster(folder, known, counts))
        here, there = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=gateway.url, timeout=WAIT + 10))
            for gateway in system.of("gateway")
        ]
        (wish,) = await wishes(here, (USER,), (quantity,))
        yield Doors(wish, Caller(here, USER), Caller(there, USER))
        assert system.errors() == []


async def seen(caller: Caller, batch_id: str) -> dict[str, Any] | None:
    answer = await caller.call("GET", f"/v1/batches/{batch_id}")
    return answer.json() if answer.is_success else None


async def rendering(caller: Caller, batch_id: str) -> None:
    """Returns once an image of the batch is seen on its way at a backend."""

    async def running() -> bool:
        batch = await seen(caller, batch_id)
        return batch is not None and any(image["stage"] == "running" for image in batch["images"])

    await until(running)


async def ended(caller: Caller, batch_id: str) -> dict[str, Any]:
    async def complete() -> dict[str, Any] | None:
        batch = await seen(caller, batch_id)
        return batch if batch and batch["completed_at"] else None

    return await until(complete)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_batch_that_no_gateway_was_asked_for_is_seen_at_each_like_any_other(
    rabbitmq_url: str, postgres_url: str, tmp_path: Path
) -> None:
    """The services may not declare anything: the topology was applied before by the command line."""
    refused = await ran("-m", "services.indexer", known=_bare(rabbitmq_url, postgres_url))
    assert refused.status == 2
    assert "`darkroom topology apply`" in refused.error
    applied = await ran("-m", "cli", "topology", "apply", known={"BUS_URL": rabbitmq_url})
    assert applied.status == 0, applied.error
    async with two_gateways(rabbitmq_url, postgres_url, tmp_path, 3, BUS_DECLARE="false") as doors:
        await inject(rabbitmq_url, [doors.wish.message()])
        batch_id, both = doors.wish.id, (doors.here, doors.there)
        await asyncio.gather(*(rendering(caller, batch_id) for caller in both))
        for batch in await asyncio.gather(*(ended(caller, batch_id) for caller in both)):
            assert batch["status"] == "succeeded"
            assert [image["index"] for image in batch["images"]] == [1, 2, 3]
        for caller in both:
            gallery = await caller.gallery(doors.wish.character)
            assert [image["filename"].rpartition("_")[2] for image in gallery["images"]] == ["3", "2", "1"]


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_whoever_waits_at_one_gateway_hears_of_the_end_of_what_another_was_asked_for(
    rabbitmq_url: str, postgres_url: str, tmp_path: Path
) -> None:
    """Also whoever follows all that is his at the other one, and whoever wants to be called."""
    more = {"WEBHOOK_ALLOW_PRIVATE": "true"}
    async with (
        receiving() as receiver,
        two_gateways(rabbitmq_url, postgres_url, tmp_path, 4, **more) as doors,
        doors.there.stream("/v1/events") as stream,
    ):
        following = asyncio.create_task(told_of_the_end(stream))
        hook = await doors.here.call("POST", "/v1/webhooks", {"url": receiver.url(), "events": ["completed"]})
        asked = await doors.wish.put()
        assert asked.status_code == 202
        elsewhere = replace(doors.wish, caller=doors.there)
        waiting = asyncio.create_task(elsewhere.put(Prefer=f"wait={WAIT}"))
        await asyncio.gather(*(rendering(caller, asked.json()["id"]) for caller in (doors.here, doors.there)))
        answer = await waiting
        woken = time()
        assert answer.status_code == 200
        assert answer.json()["id"] == asked.json()["id"]
        assert answer.json()["progress"]["done"] == 4
        assert woken - datetime.fromisoformat(answer.json()["completed_at"]).timestamp() < LATE
        assert await following == (asked.json()["id"], "succeeded")
        (called,) = await receiver.hears(1)
        told = Webhook(hook.json()["secret"]).verify(called.body, dict(called.headers))
        assert (told["type"], told["data"]["id"]) == ("batch.completed", asked.json()["id"])


async def told_of_the_end(stream: httpx.Response) -> tuple[str, str]:
    """Id and status of the first batch that a stream says to have ended."""
    async for line in stream.aiter_lines():
        said = json.loads(line[6:]) if line.startswith("data: {") else {}
        if (
            said.get("status") in ("succeeded", "partially_succeeded", "failed", "canceled")
            and "urls" in said
        ):
            return said["id"], said["status"]
    raise AssertionError("the stream has ended")


def _bare(bus_url: str, database_url: str) -> dict[str, str]:
    cloudinary = "cloudinary://key:secret@cloud"
    urls = {"BUS_URL": bus_url, "DATABASE_URL": database_url, "CLOUDINARY_URL": cloudinary}
    return urls | {"BUS_DECLARE": "false"}
