"""A bus by its URL."""

import pytest

from contracts.commands import OpenFolder
from messaging.bus import Subscription
from messaging.connect import CannotConnect, open_bus
from tests.messaging.ear import Ear


async def test_memory_is_a_bus_without_a_broker() -> None:
    ear = Ear()
    async with open_bus("memory:", "tests") as bus, bus.consuming([Subscription("indexer", OpenFolder, ear)]):
        await bus.publish(OpenFolder(folder="f"))
        assert await ear.hears()


async def test_amqp_is_a_broker(declared_url: str) -> None:
    async with open_bus(declared_url, "tests", declare=False) as bus:
        assert await bus.dead_letters() is not None
        assert bus.trouble() is None


@pytest.mark.parametrize("url", ["redis://user:secret@host", "", "amqp", "/tmp/bus", "kafka:secret"])
async def test_any_other_url_is_refused_with_the_two_that_there_are(url: str) -> None:
    with pytest.raises(CannotConnect, match="`memory:` or `amqp://") as refused:
        async with open_bus(url, "tests"):
            raise AssertionError("it was opened")
    assert "secret" not in str(refused.value)
