"""A process that is killed while it calls takes no event with it."""

import asyncio
import sys
import time

import pytest

from chassis.database import Database
from services.gateway.adapters.webhooks.sql_deliveries import LEASE
from services.gateway.domain.webhooks import DeliveryStatus
from tests.journeys.process import environment
from tests.services.gateway.adapters.webhooks.calling import calling
from tests.services.gateway.adapters.webhooks.receiver import Answer, Receiver
from tests.services.gateway.events import reserved
from tests.services.gateway.readings import tell
from tests.source import ROOT


@pytest.mark.slow
async def test_a_call_of_a_killed_process_is_made_by_another_under_the_same_id(
    database: Database, database_url: str, receiver: Receiver
) -> None:
    receiver.answer = lambda _heard: Answer(once=asyncio.Event())
    async with calling(database) as calls:
        calls.clock.now = time.time()
        webhook, _ = await calls.listens(receiver.url(), "batch.started")
        await tell(calls.gallery, reserved())
        module = "tests.services.gateway.adapters.webhooks.lone_courier"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, database_url, cwd=ROOT, env=environment({})
        )
        try:
            await receiver.hears(1)
        finally:
            process.kill()
            await process.wait()
        receiver.answer = lambda _heard: Answer()
        calls.clock.now = time.time()
        assert await calls.round() == 0
        calls.clock.now += LEASE
        assert await calls.round() == 1
        (delivery,) = await calls.deliveries_of(webhook)
        assert delivery.status is DeliveryStatus.DELIVERED
        assert [heard.headers["webhook-id"] for heard in receiver.heard] == [delivery.id] * 2
        assert len({heard.body for heard in receiver.heard}) == 1
