"""What makes a call believable: secrets, and signatures after Standard Webhooks 1.0."""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

from services.gateway.domain.webhooks import Secret, signing


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def headers(key: str, body: str, known: Sequence[Secret], now: float) -> Mapping[str, str]:
    """The three headers of a call; one signature of each secret that still signs, the newest first."""
    moment = datetime.fromtimestamp(int(now), UTC)
    signatures = [Webhook(secret.key).sign(key, moment, body) for secret in signing(known, now)]
    return {
        "webhook-id": key,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(signatures),
    }


def written(known: Sequence[Secret]) -> str:
    """For a row."""
    return json.dumps([[secret.key, secret.until] for secret in known])


def read(text: str) -> tuple[Secret, ...]:
    return tuple(Secret(key, until) for key, until in json.loads(text))
