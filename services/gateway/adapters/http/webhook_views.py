"""Webhooks and deliveries as people see them. Pure."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from services.gateway.adapters.http.webhook_shapes import (
    AttemptShape,
    DeliveryShape,
    SecretShape,
    WebhookShape,
    WholeDeliveryShape,
)
from services.gateway.domain.webhooks import Attempt, Delivery, Secret, Webhook

WEBHOOKS = "/v1/webhooks"


def webhook(known: Webhook) -> WebhookShape:
    here = f"{WEBHOOKS}/{known.id}"
    links = {"deliveries": "deliveries", "test": "test", "rotate_secret": "rotate-secret"}
    if known.batch_id:
        # Its owner's secret signs; that is rotated elsewhere.
        del links["rotate_secret"]
    return WebhookShape(
        id=known.id,
        url=known.url,
        events=list(known.events),
        description=known.description,
        batch_id=known.batch_id,
        enabled=known.disabled is None,
        disabled_reason=known.disabled.value if known.disabled else None,
        disabled_at=_time(known.disabled_at),
        failing_since=_time(known.failing_since),
        created_at=datetime.fromtimestamp(known.created_at, UTC),
        urls={"self": here, **{name: f"{here}/{path}" for name, path in links.items()}},
    )


def secret(known: Sequence[Secret]) -> SecretShape:
    """The newest is the first."""
    until = [moment for each in known[1:] if (moment := _time(each.until))]
    return SecretShape(secret=known[0].key, also_signing_until=until)


def delivery(known: Delivery) -> DeliveryShape:
    return DeliveryShape(**_of_delivery(known))


def whole_delivery(known: Delivery) -> WholeDeliveryShape:
    return WholeDeliveryShape(**_of_delivery(known), body=json.loads(known.body))


def _of_delivery(known: Delivery) -> dict[str, Any]:
    here = delivery_path(known)
    return {
        "id": known.id,
        "type": known.word,
        "batch_id": known.batch_id,
        "status": known.status.value,
        "created_at": _time(known.created_at),
        "delivered_at": _time(known.delivered_at),
        "next_attempt_at": _time(known.next_at),
        "attempts": [_attempt(each) for each in known.attempts],
        "urls": {"self": here, "redeliver": f"{here}/redeliver"},
    }


def delivery_path(known: Delivery) -> str:
    return f"{WEBHOOKS}/{known.webhook_id}/deliveries/{known.id}"


def _attempt(known: Attempt) -> AttemptShape:
    return AttemptShape(
        at=datetime.fromtimestamp(known.at, UTC),
        status_code=known.status,
        latency_ms=known.latency_ms,
        error=known.error,
        response=known.response,
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
