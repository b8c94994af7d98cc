"""The whole pipeline with a broker user, a database role and a process for each service that may do nothing
else, and whatever is not a service's own refused."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from contracts.topology import READERS
from messaging.rabbitmq import open_rabbitmq
from tests.cli.accounts.databases import Prepared, prepared
from tests.distributed import confined
from tests.distributed.asking import variables
from tests.distributed.beside import beside
from tests.distributed.processes import SERVICES, Cluster, Replica
from tests.distributed.verdict import left_over
from tests.distributed.wire import inject
from tests.journeys.around import Around
from tests.journeys.caller import Caller, indexes
from tests.journeys.process import ran
from tests.journeys.story import NUMBERS, STATUSES, delete_one, tell
from tests.journeys.system import System
from tests.journeys.waiting import until
from tests.messaging.rabbitmq.accounts import Accounts, loaded
from tests.nodes.broker import Broker
from tests.nodes.postgres import Server
from tests.nodes.shared import Run
from tests.source import ROOT

RENDER_SECONDS = 0.3
#: All that a container's volume of blobs has to be: a folder in which its user may write.
VOLUME = 0o777


@pytest.fixture(scope="module")
def users(rabbitmq_node: Broker) -> Iterator[Accounts]:
    with loaded(rabbitmq_node) as users:
        yield users


@pytest.fixture(scope="module")
def roles(postgres_node: Server) -> Iterator[Prepared]:
    with prepared(postgres_node) as roles:
        yield roles


@asynccontextmanager
async def confined_services(
    around: Around, users: Accounts, roles: Prepared, folder: Path
) -> AsyncIterator[Cluster]:
    """One process of each service, all ready."""
    through = (sys.executable, "-I", confined.__file__, str(folder / "blobs"))
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
        replicas = []
        for service in SERVICES:
            known = variables(around, users.url(service), roles.url(service), folder)
            known |= {"BUS_DECLARE": "false", "PYTHONDONTWRITEBYTECODE": "1"}
            replica = Replica(service, 1, folder, known, through)
            stack.push_async_callback(replica.end)
            await replica.start()
            replicas.append(replica)
        system = Cluster(replicas, client)
        await system.ready()
        yield system


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_whole_story_is_told_by_services_that_may_do_nothing_else(
    users: Accounts, roles: Prepared, nodes_run: Run, tmp_path: Path
) -> None:
    """Every message there is: images are made, fail, are cancelled, retried, moved and deleted."""
    folder = nodes_run.node_folder("confined")
    (folder / "blobs").mkdir()
    (folder / "blobs").chmod(VOLUME)
    async with (
        beside(tmp_path, RENDER_SECONDS) as around,
        confined_services(around, users, roles, folder) as system,
        httpx.AsyncClient(base_url=system.of("gateway")[0].url, timeout=60) as client,
    ):
        told = await tell(System(client, around))
        async with open_rabbitmq(users.url("operator"), "operator", declare=False) as bus:
            await delete_one(System(client, around), bus, told)
        await _asks_by_message(users, Caller(client, "Areg"))
        await _all_are_heard_of(Caller(client, "Olga", "operate"))
        assert told.broken == []
        assert {name: indexes(batch["images"]) for name, batch in told.batches.items()} == NUMBERS
        assert {name: batch["status"] for name, batch in told.batches.items()} == STATUSES
        assert await left_over(users.broker, users.vhost) == {}
        assert refusals(system) == []
        assert system.errors() == []


@pytest.mark.slow
async def test_a_service_with_the_accounts_of_another_does_not_start(
    users: Accounts, roles: Prepared, tmp_path: Path
) -> None:
    known = {
        "BUS_DECLARE": "false",
        "JWT_SECRET": "x" * 32,
        "WORKFLOWS_DIR": str(ROOT / "workflows"),
        "VAR_DIR": str(tmp_path),
    }
    others = {"BUS_URL": users.url("gateway"), "DATABASE_URL": roles.url("indexer")}
    declares = {"BUS_URL": users.url("gateway"), "DATABASE_URL": roles.url("gateway"), "BUS_DECLARE": "true"}
    wrong_role, declaring = await asyncio.gather(_refused(known | others), _refused(known | declares))
    assert "DATABASE_URL: the user may not do this: it is another service's" in wrong_role
    assert "this user may not declare exchange darkroom" in declaring
    for password in (users.password, *roles.passwords.values()):
        assert password not in wrong_role + declaring


async def _refused(known: Mapping[str, str]) -> str:
    ended = await ran("-m", "services.gateway", known=known)
    assert ended.status == 2, ended
    assert "Traceback" not in ended.error
    return ended.error


async def _asks_by_message(users: Accounts, areg: Caller) -> None:
    """As a product's back end that may put nothing else on the exchange."""
    body = {"batch_id": "by-message", "username": "Areg", "prompt": "opal light", "quantity": 1}
    character = {"id": "c-1", "name": "Clay Heron", "collection": "characters"}
    await inject(users.url("caller"), [{**body, "character": character, "width": 64, "height": 64}])

    async def heard() -> bool:
        return (await areg.call("GET", "/v1/batches/by-message")).status_code == 200

    await until(heard)
    assert (await areg.ended("by-message"))["status"] == "succeeded"


async def _all_are_heard_of(olga: Caller) -> None:
    """Each says how it stands, and how much waits in its queues."""

    async def all_of_them() -> bool:
        seen = (await olga.call("GET", "/v1/operate")).json()
        processes = {each["service"] for each in seen["processes"]}
        queues = {each["name"].partition(".")[0] for each in seen["queues"]}
        return processes == set(SERVICES) and queues >= set(READERS)

    await until(all_of_them)


def refusals(system: Cluster) -> list[str]:
    """Whatever broker, database or kernel refused to whom."""
    words = ("ACCESS_REFUSED", "permission denied", "Permission denied", "may not")
    return [
        f"{replica.name}: {line}"
        for replica in system.replicas
        for line in replica.log.read_text(errors="replace").splitlines()
        if any(word in line for word in words)
    ]
