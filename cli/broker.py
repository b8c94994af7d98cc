"""What people do at the broker: put a message on the exchange, declare the topology."""

from pathlib import Path

from pydantic import Field

from chassis.settings import BadSettings, Settings, Url, read, safe
from contracts.message import Message, Undecodable
from contracts.topology import MESSAGES, QUEUES, WAITS
from messaging.connect import open_bus


class BrokerSettings(Settings):
    """Which broker."""

    bus_url: Url = Field(description="`amqp://user:password@host/vhost`; `memory:` inside one process")


def broker() -> BrokerSettings:
    """Raises BadSettings where no broker is named."""
    settings = read(BrokerSettings)
    if not settings.bus_url.get_secret_value().startswith(("amqp:", "amqps:")):
        raise BadSettings(
            f"BUS_URL is {safe(settings.bus_url)}, and this command needs a broker: amqp://user:password@host/vhost"
        )
    return settings


def read_message(text: bytes, route: str) -> Message:
    """Raises BadSettings with what is wrong with the message, before it can become a dead letter."""
    kinds = {name: kind for kind in MESSAGES for name in (kind.route(), kind.__name__)}
    if route not in kinds:
        raise BadSettings(
            f"there is no message {route!r}; known: {', '.join(kind.route() for kind in MESSAGES)}"
        )
    try:
        return kinds[route].decode(text)
    except Undecodable as why:
        raise BadSettings(str(why)) from None


async def send(settings: BrokerSettings, file: Path | None, text: bytes, route: str) -> str:
    """The message's id, once the broker has it for good. Raises Outage and CannotConnect."""
    message = read_message(text, route)
    async with open_bus(settings.bus_url.get_secret_value(), "darkroom send", declare=False) as bus:
        await bus.publish(message)
    where = file or "standard input"
    return f"{message.route()} from {where} is on the exchange, id {message.id()}"


async def apply_topology(settings: BrokerSettings) -> str:
    """Declares everything; what is there as it should be stays. Raises CannotConnect where it clashes."""
    async with open_bus(settings.bus_url.get_secret_value(), "darkroom topology"):
        return f"{len(QUEUES)} queues with their dead letters and {len(WAITS)} wait queues are declared"
