"""The request signature of the Upload API: what is signed, how it is hashed, and how long it holds.

Source: cloudinary SDK 1.46.3, `utils.api_string_to_sign` and `utils.sign_request`.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

VALID_SECONDS = 3600
_NEVER_SIGNED = frozenset({"file", "cloud_name", "resource_type", "api_key", "signature"})
#: These calls send the two fields without signing them.
_NOTIFICATION_FIELDS = frozenset({"notification_url", "batch_id"})
_UNSIGNED_NOTIFICATIONS = frozenset({"tags", "context", "metadata"})
_ALGORITHM_BY_HEX_LENGTH = {40: "sha1", 64: "sha256"}

Fields = Mapping[str, str | Sequence[str]]


def string_to_sign(call: str, fields: Fields, version: int = 2) -> str:
    """The fields of one call in the order and spelling in which both sides hash them.

    Version 2 writes `&` inside a pair as `%26`, so that no value can pose as a further field.
    """
    left_out = _NEVER_SIGNED | (_NOTIFICATION_FIELDS if call in _UNSIGNED_NOTIFICATIONS else frozenset())
    pairs = (f"{name}={_joined(value)}" for name, value in fields.items() if value and name not in left_out)
    return "&".join(sorted(pair.replace("&", "%26") if version >= 2 else pair for pair in pairs))


def signature_holds(call: str, fields: Fields, secret: str, signature: str) -> bool:
    """Whether `signature` is the sha1 or sha256 of these very fields, by signature version 1 or 2."""
    algorithm = _ALGORITHM_BY_HEX_LENGTH.get(len(signature))
    if algorithm is None or not signature.isascii():
        return False
    texts = (string_to_sign(call, fields, version) for version in (1, 2))
    return any(hmac.compare_digest(digest(text, secret, algorithm), signature) for text in texts)


def digest(text: str, secret: str, algorithm: str = "sha1") -> str:
    return hashlib.new(algorithm, (text + secret).encode(), usedforsecurity=False).hexdigest()


def staleness(timestamp: int, now: float) -> str | None:
    """What the service says of a request signed more than an hour ago; None for a fresh one."""
    if now - timestamp <= VALID_SECONDS:
        return None
    reported = datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S +0000")
    return f"Stale request - reported time is {reported} which is more than 1 hour ago"


def delivery_signatures(path: str, secret: str) -> Iterator[str]:
    """What may stand between `s--` and `--` in the URL of `path` (transformations and asset, no version)."""
    for algorithm, length in (("sha1", 8), ("sha256", 8), ("sha256", 32)):
        hashed = hashlib.new(algorithm, (path + secret).encode(), usedforsecurity=False).digest()
        yield urlsafe_b64encode(hashed)[:length].decode()


def _joined(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else ",".join(value)


def algorithm_of(signature: str) -> str:
    """The algorithm that a signature of this length was made with; answers are signed with the same."""
    return _ALGORITHM_BY_HEX_LENGTH.get(len(signature), "sha1")
