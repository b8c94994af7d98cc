"""Webhooks with everything behind them: a clock in the test's hand, a courier, and what was written down."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from chassis.database import Database
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.webhooks.courier import Courier
from services.gateway.adapters.webhooks.receivers import Receivers
from services.gateway.adapters.webhooks.sql_deliveries import SqlDeliveries
from services.gateway.adapters.webhooks.sql_log import SqlDeliveryLog
from services.gateway.adapters.webhooks.sql_webhooks import SqlWebhooks
from services.gateway.adapters.webhooks.wire import Wire, system_resolver
from services.gateway.domain.webhooks import Delivery, Webhook, WebhookWish

#: The moment at which a test begins.
START = 1_700_000_000.0
EVERYTHING = ("batch.started", "batch.completed", "image.completed", "image.failed", "image.deleted")


@dataclass
class Clock:
    """Goes on when it is told to."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Calling:
    """What a gateway has for webhooks."""

    database: Database
    clock: Clock
    wire: Wire
    gallery: SqlGallery = field(init=False)
    webhooks: SqlWebhooks = field(init=False)
    log: SqlDeliveryLog = field(init=False)
    deliveries: SqlDeliveries = field(init=False)

    def __post_init__(self) -> None:
        self.gallery = SqlGallery(self.database, self.clock)
        self.webhooks = SqlWebhooks(self.database, self.clock)
        self.log = SqlDeliveryLog(self.database, self.clock)
        self.deliveries = SqlDeliveries(self.database, self.clock)

    def courier(self) -> Courier:
        """One more replica; it leaves nothing to chance."""
        return Courier(self.deliveries, self.wire, self.clock, lambda: 0.0)

    async def listens(
        self, url: str, *events: str, username: str = "Areg", receiver: str | None = None
    ) -> tuple[Webhook, str]:
        """A webhook, and its secret."""
        wish = WebhookWish(url, receiver or Receivers(allow_private=True).origin(url), events or EVERYTHING)
        return await self.webhooks.add(username, wish)

    async def round(self) -> int:
        """Makes the calls that are due, and waits for their ends; how many."""
        courier = self.courier()
        made = await courier.round()
        await courier.idle()
        return made

    async def deliveries_of(self, webhook: Webhook) -> Sequence[Delivery]:
        """All of them, oldest first."""
        return list(reversed(await self.log.list(webhook, None, None, 1000)))

    async def words_of(self, webhook: Webhook) -> list[str]:
        return sorted(each.word for each in await self.deliveries_of(webhook))


@asynccontextmanager
async def calling(database: Database, whole: float = 20.0) -> AsyncIterator[Calling]:
    """Calls private addresses: those of the test's own receivers."""
    async with system_resolver() as resolve:
        wire = Wire(Receivers(allow_private=True), resolve, httpx.create_ssl_context(trust_env=False), whole)
        try:
            yield Calling(database, Clock(), wire)
        finally:
            await wire.aclose()
