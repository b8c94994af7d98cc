"""A call trusts neither the receiver nor the one who named it."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.gateway.adapters.webhooks.receivers import Receivers
from services.gateway.adapters.webhooks.wire import KEPT, Resolve, Wire, system_resolver
from services.gateway.domain.webhooks import Attempt
from tests.services.gateway.adapters.webhooks.receiver import Answer, receiving

#: In these tests the only public address, on a machine whose other addresses are its own business.
PUBLIC = "127.0.0.2"


class TestedReceivers(Receivers):
    """The rules as they are, but for the one address that a test can serve at."""

    # No test of its own.
    __test__ = False

    def __init__(self) -> None:
        super().__init__(allow_private=False)

    @property
    def allows(self) -> Callable[[str], bool]:
        strict = super().allows
        return lambda address: address == PUBLIC or strict(address)

    def origin(self, url: str) -> str:
        return super().origin(url.replace("http://", "https://", 1))


class Names:
    """A resolver that says what it is told to, answer by answer; it notes who was asked for."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, name: str, port: int) -> Sequence[str]:
        self.asked.append((name, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@asynccontextmanager
async def wired(
    resolve: Resolve, trust: ssl.SSLContext | None = None, whole: float = 5.0
) -> AsyncIterator[Wire]:
    wire = Wire(TestedReceivers(), resolve, trust or httpx.create_ssl_context(trust_env=False), whole)
    try:
        yield wire
    finally:
        await wire.aclose()


async def called(wire: Wire, url: str) -> Attempt:
    return await wire.call(url, {"webhook-id": "msg_1"}, "{}", time.time())


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.7"],
        ["::1"],
        ["::ffff:127.0.0.2"],
        ["64:ff9b::7f00:2"],
        ["2002:7f00:2::"],
        ["224.0.0.1"],
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
    ],
    ids=" ".join,
)
async def test_a_name_that_means_a_private_address_is_not_called(addresses: list[str]) -> None:
    async with receiving("127.0.0.1") as inside, wired(Names(addresses)) as wire:
        attempt = await called(wire, inside.url("hooks.test"))
        assert attempt.error == "the name means an address that is not public"
        assert inside.connections == 0


async def test_a_name_that_changes_its_meaning_meanwhile_changes_nothing() -> None:
    """What was looked at is what is connected to: the name is asked for once a call."""
    async with receiving(PUBLIC) as outside, receiving("127.0.0.1", outside.port) as inside:
        names = Names([PUBLIC], ["127.0.0.1"])
        async with wired(names) as wire:
            first = await called(wire, outside.url("rebinding.test"))
            assert (first.status, outside.connections, inside.connections) == (200, 1, 0)
            assert names.asked == [("rebinding.test", outside.port)]
            assert outside.heard[0].headers["host"] == f"rebinding.test:{outside.port}"
            second = await called(wire, outside.url("rebinding.test"))
            assert (second.status, second.error) == (None, "the name means an address that is not public")
            assert (outside.connections, inside.connections) == (1, 0)


async def test_a_redirect_to_a_private_address_is_not_followed() -> None:
    async with receiving(PUBLIC) as outside, receiving("127.0.0.1") as inside, wired(Names([PUBLIC])) as wire:
        for status in (301, 302, 303, 307, 308):
            outside.answer = lambda _heard, status=status: Answer(status, {"Location": inside.url()})  # type: ignore[misc]
            assert (await called(wire, outside.url("hooks.test"))).status == status
        assert inside.connections == 0


async def test_the_next_address_is_tried_where_one_is_dead() -> None:
    async with receiving(PUBLIC) as outside, wired(Names([PUBLIC, PUBLIC])) as wire:
        assert (await called(wire, outside.url("hooks.test"))).status == 200
        assert outside.connections == 1
    async with wired(Names([PUBLIC])) as wire:
        gone = await called(wire, outside.url("hooks.test"))
        assert gone.status is None
        assert gone.error


async def test_a_name_that_means_nothing_is_said_to() -> None:
    async def nothing(_name: str, _port: int) -> Sequence[str]:
        raise OSError("no such host")

    for resolve in (nothing, Names([])):
        async with wired(resolve) as wire:
            assert (await called(wire, "https://hooks.test/")).error == "the name can't be resolved"


async def test_names_are_looked_up_as_every_program_does() -> None:
    async with system_resolver() as resolve:
        assert "127.0.0.1" in await resolve("localhost", 80)
        async with wired(resolve) as wire:
            assert (await called(wire, "https://a..b.test/")).status is None


async def test_a_receiver_that_does_not_answer_is_given_up_in_time() -> None:
    async with receiving(PUBLIC) as outside, wired(Names([PUBLIC]), whole=0.3) as wire:
        outside.answer = lambda _heard: Answer(once=asyncio.Event())
        attempt = await called(wire, outside.url("hooks.test"))
        assert (attempt.status, attempt.error) == (None, "no answer within 0.3 s")
        assert attempt.latency_ms >= 300


async def test_of_an_answer_the_beginning_is_kept_as_text_that_can_be() -> None:
    async with receiving(PUBLIC) as outside, wired(Names([PUBLIC])) as wire:
        outside.answer = lambda _heard: Answer(body=b"\0\xff" + b"x" * 1_000_000)
        response = (await called(wire, outside.url("hooks.test"))).response
        assert response is not None
        assert response.startswith("\ufffd\ufffdxxx")
        assert len(response) == KEPT


async def test_a_body_that_is_compressed_is_not_unpacked() -> None:
    async with receiving(PUBLIC) as outside, wired(Names([PUBLIC])) as wire:
        outside.answer = lambda _heard: Answer(headers={"Content-Encoding": "gzip"}, body=b"no gzip at all")
        attempt = await called(wire, outside.url("hooks.test"))
        assert (attempt.status, attempt.response) == (200, "no gzip at all")
        assert outside.heard[0].headers["accept-encoding"] == "identity"


async def test_an_answer_counts_however_its_body_goes_on() -> None:
    async with receiving(PUBLIC) as outside, wired(Names([PUBLIC])) as wire:
        outside.answer = lambda _heard: Answer(headers={"Content-Length": "5000"}, body=b"begun")
        attempt = await called(wire, outside.url("hooks.test"))
        assert (attempt.status, attempt.response) == (200, "begun")


@pytest.mark.parametrize(
    ("said", "seconds"), [("120", 120.0), ("9" * 40, 999_999_999.0), ("soon", None), ("-5", None), ("", None)]
)
async def test_a_wait_that_a_receiver_asks_for_is_read(said: str, seconds: float | None) -> None:
    async with receiving(PUBLIC) as outside, wired(Names([PUBLIC])) as wire:
        outside.answer = lambda _heard: Answer(503, {"Retry-After": said})
        assert (await called(wire, outside.url("hooks.test"))).retry_after == seconds


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server that can prove that it has this name, and a client that believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file, pem = folder / f"{name}.pem", serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(pem) + secret)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=str(file))


async def test_tls_asks_for_the_name_and_not_for_the_address(tmp_path: Path) -> None:
    server, trust = certified(tmp_path, "hooks.test")
    seen: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: seen.append(name)
    async with receiving(PUBLIC, tls=server) as outside, wired(Names([PUBLIC]), trust) as wire:
        assert (await called(wire, outside.url("hooks.test", "https"))).status == 200
        assert seen == ["hooks.test"]
        other = await called(wire, outside.url("other.test", "https"))
        assert other.status is None
        assert "certificate" in (other.error or "").lower()
        assert len(outside.heard) == 1
