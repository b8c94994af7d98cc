"""What is written on the outside of a message: who sent it, what caused it, how often it was tried."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self
from uuid import uuid4

from contracts.message import Message
from messaging import history
from messaging.history import Death

CONTENT_TYPE = "application/json"
#: Characters of an error that travel with a message.
MAX_REASON = 1000


@dataclass(frozen=True)
class Envelope:
    """The body as bytes and its headers. Everything but the body and the route may be missing: a message
    that somebody injected with a plain client has nothing else."""

    route: str
    body: bytes
    #: Deterministic: the same cause repeats it.
    id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    traceparent: str | None = None
    app_id: str | None = None
    sent_at: datetime | None = None
    #: New at every publish: the client library tells unroutable messages apart by it.
    message_id: str = field(default_factory=lambda: str(uuid4()))
    attempts: int = 0
    first_seen: str | None = None
    last_error: str | None = None
    #: Earlier ends as a dead letter; of a dead letter itself, this one too.
    deaths: tuple[Death, ...] = ()

    @classmethod
    def of(
        cls,
        message: Message,
        app_id: str,
        now: datetime,
        cause: "Envelope | None" = None,
        traceparent: str | None = None,
    ) -> Self:
        """`traceparent` says where in its trace the message was said."""
        return cls(
            route=message.route(),
            body=message.encode(),
            id=str(message.id()),
            correlation_id=getattr(message, "batch_id", None),
            causation_id=cause.id if cause else None,
            traceparent=traceparent,
            app_id=app_id,
            sent_at=now,
        )

    @classmethod
    def read(cls, route: str, body: bytes, headers: Mapping[str, Any], **properties: Any) -> Self:
        """From what a transport delivered; headers of the wrong type count as missing."""

        def text(name: str) -> str | None:
            value = headers.get(name)
            return value if isinstance(value, str) else None

        attempts = headers.get("x-attempt")
        return cls(
            route=route,
            body=body,
            id=text("id"),
            causation_id=text("causation-id"),
            traceparent=text("traceparent"),
            attempts=attempts if isinstance(attempts, int) and attempts > 0 else 0,
            first_seen=text("x-first-seen"),
            last_error=text("x-last-error"),
            deaths=history.read(text("x-history") or ""),
            **{name: value for name, value in properties.items() if value is not None},
        )

    def headers(self) -> dict[str, str | int]:
        """The headers of section 3, without those that say nothing. Nothing else is copied: the broker's
        own `x-death` would make it take our wait queues for a cycle and drop the message."""
        named = {
            "id": self.id,
            "causation-id": self.causation_id,
            "traceparent": self.traceparent,
            "x-attempt": self.attempts or None,
            "x-first-seen": self.first_seen,
            "x-last-error": self.last_error,
            "x-history": history.written(self.deaths) if self.deaths else None,
        }
        return {name: value for name, value in named.items() if value is not None}

    def returned(self, attempts: int, reason: str, now: datetime) -> Self:
        """The copy that goes to a wait queue."""
        return replace(
            self,
            attempts=attempts,
            first_seen=self.first_seen or now.isoformat(),
            last_error=reason[:MAX_REASON],
            message_id=str(uuid4()),
        )

    def buried(self, attempts: int, reason: str, now: datetime) -> Self:
        """The copy that goes to a dead-letter queue."""
        death = Death(now.isoformat(), reason, attempts)
        return replace(self.returned(attempts, reason, now), deaths=history.longer(self.deaths, death))

    def replayed(self) -> Self:
        """The copy of a dead letter that goes back to its queue: the same message, with all attempts before
        it and its history behind it."""
        return replace(self, attempts=0, last_error=None, message_id=str(uuid4()))


def now() -> datetime:
    return datetime.now(UTC)
