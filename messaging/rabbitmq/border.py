"""Where the client library's errors end and ours begin."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    ChannelNotFoundEntity,
    DeliveryError,
    PublishError,
)

from messaging.errors import CannotConnect, Outage, Unroutable


class Refused(CannotConnect):
    """The broker is there and does not let this user in. Waiting does not help; the text says what might."""


class TopologyMismatch(CannotConnect):
    """The broker lacks, or has otherwise, what the contracts name; the text says which and what to do."""


@contextmanager
def border(doing: str) -> Iterator[None]:
    """What goes wrong inside becomes Outage, or Unroutable where a message found no queue or exchange.

    The library gives up what is under way on a closing connection by cancelling it; only a cancellation
    that was asked of this very task remains one.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Outage(f"{doing}: the connection was closed") from None
    except PublishError as error:
        raise Unroutable(f"{doing}: no queue takes it; is the topology declared?") from error
    except ChannelNotFoundEntity as error:
        raise Unroutable(f"{doing}: {error}") from error
    except DeliveryError as error:
        raise Outage(f"{doing}: the broker would not keep it ({error})") from error
    except TimeoutError as error:
        raise Outage(f"{doing}: no answer from the broker in time") from error
    except CONNECTION_EXCEPTIONS as error:
        raise Outage(f"{doing}: {error or type(error).__name__}") from error
