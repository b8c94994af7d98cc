"""`amqps:` with real certificates: the right authority and name let one in, all else is refused."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from contracts.commands import OpenFolder
from messaging.bus import Subscription
from messaging.connect import CannotConnect, open_bus
from tests.journeys.process import ran
from tests.messaging.ear import Ear
from tests.nodes.authority import Authority, Certificate
from tests.nodes.broker import Broker
from tests.nodes.machine import Owner, free_ports
from tests.nodes.node import run_apart
from tests.nodes.rabbitmq import local_rabbitmq
from tests.nodes.shared import Run

LISTEN = """
{{ok, _}} = application:ensure_all_started(ssl),
ok = rabbit_networking:start_ssl_listener({{"127.0.0.1", {port}}},
  [{{certfile, "{certificate}"}}, {{keyfile, "{key}"}}, {{cacertfile, "{authority}"}}], 2)"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def broker(nodes_run: Run, rabbitmq_node: Broker) -> Iterator[Broker]:
    """One on this machine: a container's would not see the certificates, nor be seen at another port."""
    if rabbitmq_node.control[0] != "docker":
        yield rabbitmq_node
        return
    folder = nodes_run.node_folder("tls-rabbitmq")
    node = local_rabbitmq(folder, Owner(os.getpid(), folder))
    try:
        run_apart(node.start())
        yield node.broker
    finally:
        run_apart(node.remove())


@pytest.fixture(scope="module")
def port(broker: Broker, authority: Authority) -> Iterator[int]:
    """Where it listens with a certificate for `localhost`."""
    (port,) = free_ports(1)
    issued: Certificate = authority.issue("localhost")
    broker.evaluate(
        LISTEN.format(
            port=port, certificate=issued.certificate, key=issued.key, authority=authority.file
        ).strip()
    )
    yield port
    broker.evaluate(f"_ = rabbit_networking:stop_tcp_listener({{{{127,0,0,1}}, {port}}}), ok")


@pytest.fixture
def url(broker: Broker, port: int) -> Iterator[str]:
    vhost = broker.create_vhost()
    there = urlsplit(broker.url(vhost))
    yield f"amqps://{there.username}:{there.password}@localhost:{port}/{vhost}"
    broker.drop_vhost(vhost)


async def refusal(url: str) -> str:
    with pytest.raises(CannotConnect) as said:
        async with open_bus(url, "tests", patience=5):
            raise AssertionError("it was opened")
    text = str(said.value)
    assert str(urlsplit(url).password) not in text
    return text


async def test_messages_travel_over_tls_where_the_authority_is_known(url: str, authority: Authority) -> None:
    ear = Ear()
    async with (
        open_bus(f"{url}?cafile={authority.file}", "tests") as bus,
        bus.consuming([Subscription("indexer", OpenFolder, ear)]),
    ):
        await bus.publish(OpenFolder(folder="f"))
        assert await ear.hears() == [OpenFolder(folder="f")]


async def test_a_broker_of_another_authority_is_refused(url: str, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    for place in (url, f"{url}?cafile={other.file}"):
        said = await refusal(place)
        assert "its certificate is not to be trusted" in said
        assert "?cafile=" in said


async def test_no_word_in_the_url_turns_the_check_off(url: str) -> None:
    assert "not to be trusted" in await refusal(f"{url}?no_verify_ssl=1")


async def test_a_broker_of_another_name_is_refused(url: str, authority: Authority) -> None:
    said = await refusal(f"{url.replace('@localhost', '@127.0.0.1')}?cafile={authority.file}")
    assert "mismatch" in said
    assert "by a name that its certificate bears" in said


@pytest.mark.parametrize("content", [None, "not a certificate"])
async def test_a_file_that_holds_no_certificates_is_named(
    url: str, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "authority.pem"
    if content:
        file.write_text(content)
    said = await refusal(f"{url}?cafile={file}")
    assert str(file) in said
    assert "name PEM files" in said


async def test_a_certificate_of_ones_own_can_be_shown(url: str, authority: Authority, tmp_path: Path) -> None:
    mine = authority.issue("client")
    both = tmp_path / "client.pem"
    shutil.copy(mine.certificate, both)
    shown = f"{url}?cafile={authority.file}&certfile={both}&keyfile={mine.key}"
    async with open_bus(shown, "tests") as bus:
        assert bus.trouble() is None
    assert "client.key" in await refusal(shown.replace(str(both), str(mine.key)))


@pytest.mark.slow
async def test_a_service_that_may_not_trust_its_broker_does_not_start(url: str) -> None:
    known = {
        "BUS_URL": url,
        "DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:1/x",
        "JWT_SECRET": "x" * 32,
    }
    ended = await ran("-m", "services.gateway", known=known)
    assert ended.status == 2, ended
    assert "gateway does not start:" in ended.error
    assert "not to be trusted" in ended.error
    assert "Traceback" not in ended.error
    assert str(urlsplit(url).password) not in ended.error + ended.out
