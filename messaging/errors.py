"""What can go wrong with a delivery, in the words of whoever handles it.

    DeliveryError
    ├── TemporaryError   try again; an attempt is counted, the tenth is the last
    ├── PermanentError   trying again cannot help: dead letter
    ├── Later            this message must wait for something of its own; nothing is counted
    └── Outage           a neighbour is down: everything of this kind waits; nothing is counted

Anything else that a handler raises is a bug, treated like TemporaryError. A refused prompt or a failed
image is none of these: it is an event.
"""


class DeliveryError(Exception):
    """Root; never raised itself."""


class TemporaryError(DeliveryError):
    """Worth another attempt after `delay` seconds, or after the policy's own delay."""

    def __init__(self, reason: str, delay: float | None = None) -> None:
        super().__init__(reason)
        self.delay = delay


class PermanentError(DeliveryError):
    """Hopeless: the delivery becomes a dead letter with this reason."""


class Later(DeliveryError):
    """Not now, for a reason that concerns this message alone (a lease somebody holds, a folder whose
    storage can't be asked); it comes back after about `delay` seconds, as often as it takes."""

    def __init__(self, reason: str, delay: float = 1.0) -> None:
        super().__init__(reason)
        self.delay = delay


class Outage(DeliveryError):
    """A neighbour (database, blob store, storage, broker) is down; consumption pauses until it is back."""


class Unroutable(Outage):
    """A mandatory message found no queue: the topology is not declared. Waits until it is."""


class CannotConnect(Exception):
    """A bus that this process can't use with its settings; the text says what to mend."""
