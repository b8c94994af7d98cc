"""What whoever runs the system looks at and works with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from messaging.dead_letters import DeadLetters
from services.gateway.domain.operating import Heard, Recent


class Words(Protocol):
    """What processes say of themselves."""

    def heard(self) -> Sequence[Heard]:
        """The last word of each that this process heard; those that ended long ago too."""
        ...


class Figures(Protocol):
    """The read model in numbers."""

    async def recent(self) -> Recent:
        """Not older than a second. Raises Outage."""
        ...


@dataclass(frozen=True)
class OperateDesk:
    """Everything behind the routes of operating."""

    words: Words
    figures: Figures
    dead: DeadLetters
