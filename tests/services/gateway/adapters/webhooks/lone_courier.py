"""A process that does nothing but call webhooks, to be killed in the middle: `python -m … DATABASE_URL`."""

import asyncio
import sys

import httpx

from services.gateway.adapters.webhooks.courier import Courier
from services.gateway.adapters.webhooks.receivers import Receivers
from services.gateway.adapters.webhooks.sql_deliveries import SqlDeliveries
from services.gateway.adapters.webhooks.wire import Wire, system_resolver
from tests.services.gateway.databases import opened


async def call(url: str) -> None:
    trust = httpx.create_ssl_context(trust_env=False)
    async with opened(url) as database, system_resolver() as resolve:
        wire = Wire(Receivers(allow_private=True), resolve, trust)
        await Courier(SqlDeliveries(database), wire).run()


if __name__ == "__main__":
    asyncio.run(call(sys.argv[1]))
