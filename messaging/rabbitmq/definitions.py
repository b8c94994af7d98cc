"""The topology and its users as RabbitMQ's own definitions, for its `load_definitions`.

What the broker loads from them is what `messaging.rabbitmq.topology` declares; a test holds the two together.
"""

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from contracts.permissions import Account, accounts
from contracts.topology import (
    DEAD_EXCHANGE,
    EXCHANGE,
    WAITS,
    Place,
    places,
)

Json = dict[str, Any]


def definitions(vhost: str, hashes: Mapping[str, str], prefix: str = "") -> Json:
    """Everything in `vhost`. `hashes` are password hashes by account; who has none can't log in. `prefix`
    goes before the users' names, which all vhosts of a broker share."""
    return {
        "users": [_user(account, hashes.get(account.name, ""), prefix) for account in accounts()],
        "vhosts": [{"name": vhost}],
        "permissions": [_permission(account, vhost, prefix) for account in accounts()],
        "topic_permissions": [
            {
                "user": prefix + account.name,
                "vhost": vhost,
                "exchange": exchange,
                "write": topics.write,
                "read": topics.read,
            }
            for account in accounts()
            for exchange, topics in account.topics.items()
        ],
        "exchanges": [_exchange(name, vhost) for name in _exchanges()],
        "queues": [_queue(place, vhost) for place in places()],
        "bindings": [_binding(place, vhost) for place in places()],
    }


def password_hash(password: str, salt: bytes | None = None) -> str:
    """As https://www.rabbitmq.com/docs/passwords has it: four bytes of salt, then SHA-256 over both."""
    salt = salt or secrets.token_bytes(4)
    return b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _user(account: Account, hashed: str, prefix: str) -> Json:
    return {
        "name": prefix + account.name,
        "password_hash": hashed,
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": list(account.tags),
    }


def _permission(account: Account, vhost: str, prefix: str) -> Json:
    return {
        "user": prefix + account.name,
        "vhost": vhost,
        "configure": account.configure,
        "write": account.write,
        "read": account.read,
    }


def _exchanges() -> list[str]:
    return [EXCHANGE, DEAD_EXCHANGE, *(wait.exchange for wait in WAITS)]


def _exchange(name: str, vhost: str) -> Json:
    return {
        "name": name,
        "vhost": vhost,
        "type": "topic",
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {},
    }


def _queue(place: Place, vhost: str) -> Json:
    kept = {"durable": True, "auto_delete": False}
    return {"name": place.name, "vhost": vhost, **kept, "arguments": place.arguments}


def _binding(place: Place, vhost: str) -> Json:
    return {
        "source": place.exchange,
        "vhost": vhost,
        "destination": place.name,
        "destination_type": "queue",
        "routing_key": place.key,
        "arguments": {},
    }
