"""The broker: reachable, of a known version, with our queues as they should be, and what its user may do."""

import asyncio
import re
from collections.abc import Iterator, Sequence

from aio_pika.abc import AbstractConnection
from pydantic import Field

from chassis.settings import Settings, Url, read
from cli.doctor.finding import Finding, ok, warning, wrong
from contracts.topology import QUEUES, READERS, places
from messaging.errors import Outage
from messaging.rabbitmq import topology
from messaging.rabbitmq.border import Refused, TopologyMismatch
from messaging.rabbitmq.errands import clashes, errand, is_there
from messaging.rabbitmq.hands import BESIDE
from messaging.rabbitmq.link import Address
from messaging.rabbitmq.rights import Rights, rights

BROKER, TOPOLOGY, USER, LETTERS = "broker", "topology", "user", "dead letters"
#: The oldest that is known to work, and the first that nobody has tried.
OLDEST, UNTRIED = (3, 10), (5, 0)

_ARGUMENT = re.compile(r"inequivalent arg '([^']+)'.*?: received (.*?) but current is (.*)", re.DOTALL)


class BusSettings(Settings):
    """Which broker, and as whom."""

    bus_url: Url = Field(description="`amqp://user:password@host/vhost`; `memory:` inside one process")
    bus_declare: bool = Field(True, description="as the services have it")


async def broker() -> list[Finding]:
    """Reads BUS_URL and BUS_DECLARE; leaves no trace. Raises BadSettings, CannotConnect and Outage."""
    settings = read(BusSettings)
    url = settings.bus_url.get_secret_value()
    if url.startswith("memory:"):
        return [ok(BROKER, "memory: is inside the process, which has nothing to look at from here")]
    try:
        async with errand(url, "darkroom doctor") as connection:
            return await _seen(connection, Address(url, ""), settings.bus_declare)
    except Refused as why:
        return [wrong(BROKER, str(why), "BUS_URL holds user, password and vhost; special characters as %XX")]


async def _seen(connection: AbstractConnection, address: Address, declare: bool) -> list[Finding]:
    found = [_version(connection, address)]
    if missing := await _missing(connection):
        return [*found, missing]
    found += await _queues(connection)
    letters = await topology.dead_letters(connection)
    found += [
        warning(LETTERS, f"{count} of {queue}", f"darkroom dead list --queue {queue}, then replay or drop")
        for queue, count in letters.items()
    ]
    return [*found, *await _user(connection, address.user, declare)]


async def _user(connection: AbstractConnection, user: str, declare: bool) -> list[Finding]:
    """Last of all: a broker in need blocks a connection once somebody has published on it."""
    try:
        found = list(_rights(user, await rights(connection), declare))
    except Outage:
        if await _flows(connection):
            raise
        found = []
    if not await _flows(connection):
        says = "it takes nothing from anybody: its memory or disk alarm is on"
        found.append(
            wrong(BROKER, says, "free memory or disk there; what the gateway accepts meanwhile waits")
        )
    return found


def _version(connection: AbstractConnection, address: Address) -> Finding:
    assert connection.transport is not None
    said = connection.transport.connection.server_properties
    product, version = _text(said.get("product")), _text(said.get("version"))
    says = f"{product} {version} at {address} lets {address.user} into {address.vhost}"
    number = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if product != "RabbitMQ" or not OLDEST <= number < UNTRIED:
        return warning(BROKER, says, "what is known to work is RabbitMQ 3.10 to 4.x")
    return ok(BROKER, says)


async def _missing(connection: AbstractConnection) -> Finding | None:
    try:
        await topology.check(connection)
    except TopologyMismatch as why:
        says, _, advice = str(why).partition("; ")
        return wrong(TOPOLOGY, says, advice)
    return None


async def _queues(connection: AbstractConnection) -> Sequence[Finding]:
    """Those whose arguments differ, and what a move has left."""
    found: list[Finding] = []
    for place in places():
        migrate = f"darkroom topology migrate {place.name}"
        if await is_there(connection, place.name + BESIDE):
            says = "a move of it was cut off, and its messages lie beside it"
            found.append(wrong(f"queue {place.name}", says, migrate))
        try:
            difference = await clashes(connection, place)
        except TopologyMismatch:
            says = f"all {2 * len(QUEUES)} queues are there; this user may not compare their arguments"
            return [*found, ok(TOPOLOGY, says)]
        if difference:
            found.append(wrong(f"queue {place.name}", _difference(difference), migrate))
    return found or [ok(TOPOLOGY, f"all {2 * len(QUEUES)} queues are there, as this release wants them")]


def _rights(user: str, may: Rights, declare: bool) -> Iterator[Finding]:
    mine = {service: {q.name for q in QUEUES if q.service == service} for service in READERS}
    able = [service for service, queues in mine.items() if may.says and queues <= may.reads]
    lacking = [
        f"it may not take from {', '.join(sorted(queues - may.reads))}"
        for service, queues in mine.items()
        if user.endswith(service) and queues - may.reads
    ]
    if not may.says and user.endswith(tuple(READERS)):
        lacking.append("it may not publish what a service says")
    advice = "`darkroom topology definitions` has every service's user with its permissions"
    if lacking:
        yield wrong(USER, f"{user}: {'; '.join(lacking)}", advice)
    elif not able:
        yield warning(USER, f"no service can run as {user}", advice)
    else:
        yield ok(USER, f"{user} may {'declare queues, and ' if may.declares else ''}be {', '.join(able)}")
    if able and declare and not may.declares:
        says = f"BUS_DECLARE is true, and {user} may not declare"
        yield wrong(
            USER, says, "set BUS_DECLARE=false; `darkroom topology apply` declares, as a user who may"
        )


def _difference(said: str) -> str:
    """The argument, and what it is there and here."""
    found = _ARGUMENT.search(said)
    if found is None:
        return said
    name, ours, theirs = found.groups()
    return f"{name} is {_value(theirs)} there, and this release wants {_value(ours)}"


def _value(said: str) -> str:
    """As in `'5'`, `none` or `the value '5' of type 'long'`."""
    quoted = re.search(r"'([^']*)'", said)
    return quoted[1] if quoted else "none"


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


async def _flows(connection: AbstractConnection) -> bool:
    assert connection.transport is not None
    try:
        async with asyncio.timeout(0.1):
            await connection.transport.ready()
    except TimeoutError:
        return False
    return True
