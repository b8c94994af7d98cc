"""Webhooks, put together."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import httpx

from chassis.database import Database
from chassis.process import Loop, every
from services.gateway.adapters.webhooks.courier import Courier
from services.gateway.adapters.webhooks.receivers import Receivers
from services.gateway.adapters.webhooks.sql_deliveries import SqlDeliveries
from services.gateway.adapters.webhooks.sql_log import SqlDeliveryLog
from services.gateway.adapters.webhooks.sql_webhooks import SqlWebhooks
from services.gateway.adapters.webhooks.wire import Wire, system_resolver
from services.gateway.settings import Settings

#: Seconds between two looks at the oldest event that was not told, and at what is too old to keep.
MEASURE, SWEEP = 10.0, 3600.0
#: Deliveries that are forgotten in one transaction.
GROUP = 500


@dataclass(frozen=True)
class Post:
    """What a gateway needs to keep webhooks and to call them."""

    webhooks: SqlWebhooks
    log: SqlDeliveryLog
    receivers: Receivers
    courier: Courier
    loops: Sequence[Loop]


@asynccontextmanager
async def open_post(settings: Settings, database: Database) -> AsyncIterator[Post]:
    receivers = Receivers(settings.webhook_allow_private)
    deliveries = SqlDeliveries(database)
    # Not with the variables of this machine's environment: settings alone say what is trusted.
    trust = httpx.create_ssl_context(trust_env=False)
    async with system_resolver() as resolve, aclosing(Wire(receivers, resolve, trust)) as wire:
        courier = Courier(deliveries, wire)

        async def forget() -> None:
            before = time.time() - settings.webhook_log_days * 86_400
            while await deliveries.prune(before, GROUP) == GROUP:
                pass

        yield Post(
            webhooks=SqlWebhooks(database),
            log=SqlDeliveryLog(database),
            receivers=receivers,
            courier=courier,
            loops=[
                courier.run,
                partial(every, MEASURE, courier.measure, "age of webhooks"),
                partial(every, SWEEP, forget, "old deliveries"),
            ],
        )
