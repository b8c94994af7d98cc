"""What the gateway needs of whoever keeps webhooks and their deliveries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.gateway.domain.webhooks import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Outcome,
    Secret,
    UnderWay,
    Webhook,
    WebhookWish,
)


class TooManyWebhooks(Exception):
    """The user has as many as one may have."""


class OwnersSecret(Exception):
    """The webhook has no secret of its own: its owner's signs."""


class WebhookDisabled(Exception):
    """Nobody is called there now."""


@dataclass(frozen=True)
class Call:
    """A delivery that is this process's to make, until its lease ends."""

    id: str
    webhook_id: str
    username: str
    url: str
    receiver: str
    word: str
    body: str
    #: Attempts before this one.
    tries: int
    failing_since: float | None
    secrets: tuple[Secret, ...]
    #: Names the claim, so that a later one of the same delivery is another one.
    lease: str


class Webhooks(Protocol):
    """Webhooks by their owner; what is somebody else's does not exist."""

    async def add(
        self, username: str, wish: WebhookWish, webhook_id: str | None = None
    ) -> tuple[Webhook, str]:
        """With its secret, which nobody is shown again. Under an id that the caller's own call named, the
        same webhook at every repetition. Raises TooManyWebhooks."""
        ...

    async def find(self, webhook_id: str, username: str) -> Webhook | None: ...

    async def list(
        self, username: str, batch_id: str | None, before: tuple[float, str] | None, limit: int
    ) -> Sequence[Webhook]:
        """Newest first: those about everything, or those about one batch."""
        ...

    async def change(self, webhook: Webhook, changes: Mapping[str, Any]) -> Webhook | None:
        """As it is then; None where it went away meanwhile."""
        ...

    async def switch(self, webhook: Webhook, enabled: bool) -> Webhook | None:
        """What is to be told waits while its owner has it disabled."""
        ...

    async def remove(self, webhook: Webhook) -> None:
        """With everything that was or was to be told."""
        ...

    async def rotate(self, webhook: Webhook) -> tuple[Secret, ...]:
        """The new secret and those that sign along. Raises OwnersSecret."""
        ...

    async def own_secret(self, username: str) -> tuple[Secret, ...]:
        """The user's own secret, made when it is first asked for, and those that sign along."""
        ...

    async def rotate_own(self, username: str) -> tuple[Secret, ...]: ...


class DeliveryLog(Protocol):
    """What was told and what is still to be told, by webhook."""

    async def list(
        self,
        webhook: Webhook,
        status: DeliveryStatus | None,
        before: tuple[float, str] | None,
        limit: int,
    ) -> Sequence[Delivery]:
        """Newest first."""
        ...

    async def find(self, webhook: Webhook, delivery_id: str) -> Delivery | None: ...

    async def redeliver(self, webhook: Webhook, delivery_id: str) -> Delivery | None:
        """It is to be told now, and again by the whole schedule; as it is where it is being told already.
        Raises WebhookDisabled."""
        ...

    async def test(self, webhook: Webhook) -> Delivery:
        """A delivery that tells nothing, to be made now and once. Raises WebhookDisabled."""
        ...


class Deliveries(Protocol):
    """What is to be told, shared by all replicas."""

    async def claim(self, under_way: UnderWay) -> tuple[Sequence[Call], float | None]:
        """Calls to make now, nobody else's for a while; and when the next one is due. Those that wait
        longest come first, but no receiver and no user takes the places of others."""
        ...

    async def settle(self, call: Call, attempt: Attempt, outcome: Outcome) -> None:
        """Logs an attempt and what it means. Late news of a claim that was lost changes nothing but to say
        that it succeeded after all."""
        ...

    async def oldest(self) -> float | None:
        """When the oldest event came to be that is still to be told, epoch seconds."""
        ...

    async def prune(self, before: float, limit: int) -> int:
        """Forgets deliveries that came to be before a moment and have ended; how many."""
        ...
