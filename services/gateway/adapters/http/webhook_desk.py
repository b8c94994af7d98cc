"""What the routes of webhooks work with."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

from services.gateway.adapters.http import cursors
from services.gateway.adapters.http.problems import FieldError, Problem, not_found
from services.gateway.adapters.webhooks.receivers import BadReceiver, Receivers
from services.gateway.domain.news import meant
from services.gateway.domain.webhooks import Webhook, WebhookWish
from services.gateway.webhook_ports import DeliveryLog, Webhooks

_WEBHOOK_ID = re.compile(r"wh_[0-9a-f]{32}", re.ASCII)
_DELIVERY_ID = re.compile(r"msg_[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class WebhookDesk:
    """Everything behind the routes of webhooks."""

    kept: Webhooks
    log: DeliveryLog
    receivers: Receivers
    #: Something is to be told at once.
    ring: Callable[[], None]

    async def named(self, webhook_id: str, username: str) -> Webhook:
        """Raises Problem."""
        known = await self.kept.find(webhook_id, username) if _WEBHOOK_ID.fullmatch(webhook_id) else None
        if known is None:
            raise not_found("webhook")
        return known

    def wish(self, url: str, words: Sequence[str], description: str = "", field: str = "url") -> WebhookWish:
        """`field` of the body names the URL. Raises Problem where nobody may be called there."""
        return WebhookWish(url, self.receiver(url, field), meant(words), description)

    def receiver(self, url: str, field: str = "url") -> str:
        """Raises Problem."""
        try:
            return self.receivers.origin(url)
        except BadReceiver as why:
            told = FieldError(pointer=f"/{field}", detail=str(why))
            raise Problem("invalid_webhook", f"the webhook's URL {why}", [told]) from None


def before(cursor: str, of_deliveries: bool = False) -> tuple[float, str]:
    """Where a page begins. Raises Problem."""
    moment, name = cursors.read(cursor, 2)
    try:
        at = float(moment)
    except ValueError:
        raise cursors.not_ours() from None
    kind = _DELIVERY_ID if of_deliveries else _WEBHOOK_ID
    if not isfinite(at) or not kind.fullmatch(name):
        raise cursors.not_ours()
    return at, name


def is_delivery_id(name: str) -> bool:
    return _DELIVERY_ID.fullmatch(name) is not None
