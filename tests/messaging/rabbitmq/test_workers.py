"""What is said of a handler from outside says which delivery it was."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from chassis import logs
from contracts.commands import OpenFolder
from messaging import tracing
from messaging.bus import Subscription
from messaging.consumer import attending
from messaging.envelope import Envelope
from messaging.rabbitmq import workers as module
from messaging.rabbitmq.workers import Workers
from tests.messaging.ear import Ear

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SUBSCRIPTION = Subscription("indexer", OpenFolder, Ear())
DELIVERY = Envelope("OpenFolder.v1", b"{}", traceparent=f"00-{TRACE}-00f067aa0ba902b7-00")


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("tests", "info", "json", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def about(told: io.StringIO) -> dict[str, Any]:
    (line,) = (json.loads(line) for line in told.getvalue().splitlines())
    return {name: line.get(name) for name in ("event", "service", "queue", "folder", "trace_id")}


def the_delivery(event: str) -> dict[str, Any]:
    known = {"service": "indexer", "queue": "indexer.OpenFolder", "folder": "one", "trace_id": TRACE}
    return {"event": event, **known}


async def test_a_handler_that_does_not_end_in_time_is_told_of_as_itself(
    told: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    began = asyncio.Event()

    async def stuck(envelope: Envelope) -> None:
        with attending(SUBSCRIPTION, envelope):
            tracing.concerns(folder="one")
            began.set()
            await asyncio.Event().wait()

    workers = Workers(stuck, 1)
    workers.take(DELIVERY)
    await began.wait()
    await workers.end()
    assert about(told) == the_delivery("handler cancelled: it did not end in time")


async def test_a_delivery_that_is_left_to_the_broker_is_told_of_as_itself(told: io.StringIO) -> None:
    async def broken(envelope: Envelope) -> None:
        with attending(SUBSCRIPTION, envelope):
            tracing.concerns(folder="one")
            raise RuntimeError("nobody thought of this")

    workers = Workers(broken, 1)
    workers.take(DELIVERY)
    await workers.end()
    assert about(told) == the_delivery("a delivery was left to the broker")
