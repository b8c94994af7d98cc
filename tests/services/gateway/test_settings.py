"""What the gateway is told, and what it refuses to start with."""

import pytest

from chassis.settings import BadSettings, read
from services.gateway.settings import DEVELOPMENT_SECRET, Settings

TOLD = {"BUS_URL": "memory:", "DATABASE_URL": "sqlite+aiosqlite:///x.db", "JWT_SECRET": "s" * 32}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)


def refusal(**changes: str | None) -> str:
    told = {name: value for name, value in {**TOLD, **changes}.items() if value is not None}
    with pytest.raises(BadSettings) as refused:
        read(Settings, told)
    return str(refused.value)


def test_bus_database_and_a_key_are_enough() -> None:
    settings = read(Settings, TOLD)
    assert (settings.port, settings.resend_at_start, settings.generate_wait) == (8080, False, 300.0)


def test_keys_may_be_published_instead() -> None:
    told = {**TOLD, "JWT_SECRET": "", "JWT_JWKS_URL": "https://id.test/keys"}
    assert read(Settings, told).jwt_jwks_url == "https://id.test/keys"


@pytest.mark.parametrize("missing", ["BUS_URL", "DATABASE_URL"])
def test_without_a_url_it_does_not_start(missing: str) -> None:
    assert f"{missing} is not set" in refusal(**{missing: None})


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_key_no_token_could_be_checked(secret: str | None) -> None:
    assert "JWT_SECRET or JWT_JWKS_URL must be set" in refusal(JWT_SECRET=secret)


def test_two_kinds_of_keys_are_one_too_many() -> None:
    assert "not both" in refusal(JWT_JWKS_URL="https://id.test/keys")


def test_a_short_secret_is_refused_and_not_repeated() -> None:
    said = refusal(JWT_SECRET="hunter2")
    assert "shorter than 32 bytes" in said
    assert "hunter2" not in said


def test_the_secret_that_everybody_knows_opens_loopback_only() -> None:
    known = {**TOLD, "JWT_SECRET": DEVELOPMENT_SECRET}
    assert read(Settings, known).host == "127.0.0.1"
    assert "loopback only" in refusal(JWT_SECRET=DEVELOPMENT_SECRET, HOST="0.0.0.0")
