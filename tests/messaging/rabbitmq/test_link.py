"""Coming and going of the broker."""

import asyncio

import pytest
from aio_pika.abc import AbstractConnection
from structlog.testing import capture_logs

from contracts.commands import CancelBatch
from contracts.transient import ChangesLogged
from messaging.bus import Subscription
from messaging.errors import Outage
from messaging.rabbitmq import Refused, open_rabbitmq
from messaging.rabbitmq.link import Address, Link
from tests.messaging.ear import Ear
from tests.messaging.forwarder import Forwarder
from tests.messaging.rig import Client, attempted, troubled, until, untroubled


async def refusal(url: str) -> str:
    with pytest.raises(Refused) as refused:
        async with asyncio.timeout(5), open_rabbitmq(url, "tests", declare=False):
            raise AssertionError("it was let in")
    return str(refused.value)


async def test_trap_21_a_wrong_password_is_said_at_once_and_not_shown(declared_url: str) -> None:
    said = await refusal(declared_url.replace("darkroom:", "darkroom:s3cr3t"))
    assert "does not know user 'darkroom' by this password" in said
    assert "s3cr3t" not in said


async def test_trap_21_a_wrong_vhost_is_said_at_once(declared_url: str) -> None:
    said = await refusal(f"{declared_url}-not")
    assert f"refuses vhost '{Address(declared_url, '').vhost}-not' to user 'darkroom'" in said
    assert Address(declared_url, "").url.split(":")[2].split("@")[0] not in said


async def test_trap_21_a_broker_that_comes_later_is_waited_for(declared_url: str) -> None:
    wire, opened = Forwarder(declared_url), asyncio.Event()

    async def run() -> None:
        async with open_rabbitmq(wire.url, "tests", declare=False):
            opened.set()

    with capture_logs() as logs:
        running = asyncio.create_task(run())

        async def waiting() -> bool:
            return any(line["event"] == "waiting for the broker" for line in logs)

        await until(waiting)
        assert not opened.is_set()
        async with wire.laid():
            await running
    assert opened.is_set()
    assert "password" not in str(logs)


async def test_a_bus_with_little_patience_opens_without_its_broker_and_works_once_it_is_there(
    declared_url: str,
) -> None:
    wire, ear = Forwarder(declared_url), Ear()
    async with asyncio.timeout(20), open_rabbitmq(wire.url, "tests", declare=False, patience=0) as bus:
        assert "broker" in (bus.trouble() or "")
        async with wire.laid():
            await untroubled(bus)
            async with bus.consuming([Subscription("renderer", CancelBatch, ear)]):
                await bus.publish(CancelBatch(batch_id="b1"))
                await ear.hears()


async def test_a_wrong_password_is_said_at_once_also_with_little_patience(declared_url: str) -> None:
    with pytest.raises(Refused):
        async with open_rabbitmq(declared_url.replace("darkroom:", "darkroom:x"), "tests", patience=0):
            raise AssertionError("it was let in")


async def test_a_lost_broker_is_trouble_until_it_is_back(wire: Forwarder) -> None:
    async with open_rabbitmq(wire.url, "tests", declare=False) as bus:
        assert bus.trouble() is None
        await wire.remove()
        await troubled(bus)
        await wire.lay()
        await untroubled(bus)
        await bus.publish(CancelBatch(batch_id="b1"))


async def test_transient_queues_come_back_with_the_connection(wire: Forwarder) -> None:
    ear = Ear()
    async with (
        open_rabbitmq(wire.url, "tests", declare=False) as bus,
        bus.consuming([Subscription("gateway", ChangesLogged, ear)]),
    ):
        await wire.cut()

        async def heard() -> bool:
            await attempted(bus, ChangesLogged(batch_id="b1"))
            return bool(ear.heard)

        await until(heard)


async def test_leaving_while_the_broker_is_away_hangs_nothing(wire: Forwarder, client: Client) -> None:
    async with asyncio.timeout(10):
        async with (
            open_rabbitmq(wire.url, "tests", declare=False) as bus,
            bus.consuming([Subscription("renderer", CancelBatch, Ear())]),
        ):
            await wire.remove()
    assert await client.size("renderer.CancelBatch") == 0


@pytest.mark.parametrize(
    ("url", "user", "vhost", "place"),
    [
        ("amqp://host", "guest", "/", "host"),
        ("amqp://host/", "guest", "/", "host"),
        ("amqp://me:pw@host:5673/%2F", "me", "/", "host:5673"),
        ("amqps://a%40b:pw@[::1]:5671/team%2Fone", "a@b", "team/one", "[::1]:5671"),
    ],
)
def test_an_address_without_its_password(url: str, user: str, vhost: str, place: str) -> None:
    address = Address(url, "tests")
    assert (address.user, address.vhost, str(address)) == (user, vhost, place)


def test_the_urls_own_heartbeat_counts() -> None:
    assert Address("amqp://host", "tests").options("x")["heartbeat"] == 20
    assert "heartbeat" not in Address("amqp://host?heartbeat=5", "tests").options("x")


async def test_a_link_whose_cancellation_was_lost_ends_all_the_same(declared_url: str) -> None:
    """As when the connection breaks at that very moment: what is raised then is the break alone."""
    tries, trying, heard = 0, asyncio.Event(), 0

    async def prepare(_: AbstractConnection) -> None:
        nonlocal tries, heard
        tries += 1
        if tries == 1:
            raise Outage("so that the link has to try again")
        trying.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            heard += 1
            if heard > 1:
                raise
            raise Outage("the connection broke") from None

    async with asyncio.timeout(20):
        async with Link(Address(declared_url, "tests"), "tests", prepare).opened(patience=0):
            await trying.wait()
    assert heard == 2
