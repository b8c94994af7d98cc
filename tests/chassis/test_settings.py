"""Settings: sentences that name a variable and its meaning, and never show its value."""

import pytest
from pydantic import Field, SecretStr, ValidationError

from chassis.settings import BadSettings, Settings, Url, read, safe

SECRET = "hunter2-and-more"


class Shop(Settings):
    """Settings with one field of each kind."""

    database_url: Url = Field(description="where the rows are")
    key: SecretStr = Field(SecretStr("none"), description="opens the till")
    copies: int = Field(1, ge=1, le=9, description="copies of each receipt")
    labels: dict[str, int] = Field(default_factory=dict, description="label -> colour")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Shop.model_fields, *(field.upper() for field in Shop.model_fields)):
        monkeypatch.delenv(name, raising=False)


def told(**defaults: str) -> str:
    with pytest.raises(BadSettings) as caught:
        read(Shop, defaults)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return str(caught.value)


def test_a_missing_variable_is_named_with_its_meaning() -> None:
    assert told() == "DATABASE_URL is not set (where the rows are)"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    assert told() == "DATABASE_URL is not set (where the rows are)"
    assert read(Shop, {"DATABASE_URL": "a://b"}).database_url.get_secret_value() == "a://b"


def test_every_wrong_variable_has_its_line_and_none_shows_its_value() -> None:
    lines = told(COPIES=SECRET, LOG_LEVEL=SECRET).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("LOG_LEVEL: ")
    assert lines[0].endswith("(least level logged)")
    assert "DATABASE_URL is not set (where the rows are)" in lines
    assert lines[2].startswith("COPIES: ")
    assert lines[2].endswith("(copies of each receipt)")
    assert SECRET not in "".join(lines)


@pytest.mark.parametrize("host", [f"[{SECRET}", f"{SECRET}\u2100c"])
def test_what_is_no_url_is_refused_without_quoting_it(host: str) -> None:
    line = told(DATABASE_URL=f"db://user:{SECRET}@{host}/x")
    assert line.startswith("DATABASE_URL: not a URL;")
    assert line.endswith("(where the rows are)")
    assert SECRET not in line


def test_what_is_no_json_is_refused_without_quoting_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELS", SECRET)
    line = told(DATABASE_URL="a://b")
    assert line == "LABELS: not the JSON that is expected (label -> colour)"


def test_secrets_are_in_no_text_of_the_settings() -> None:
    shop = read(Shop, {"DATABASE_URL": f"db://user:{SECRET}@host/x", "KEY": SECRET})
    texts = (repr(shop), str(shop), f"{shop.database_url} {shop.key!r}", str(shop.model_dump()))
    assert SECRET not in "".join((*texts, shop.model_dump_json()))


def test_pydantic_itself_shows_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Shop(database_url=SecretStr("a://b"), copies=SECRET)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["COPIES", "copies"])
def test_the_environment_wins_over_defaults(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "3")
    shop = read(Shop, {"COPIES": "5", "DATABASE_URL": "a://b"})
    assert shop.copies == 3
    assert shop.database_url.get_secret_value() == "a://b"


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPIES", "3")
    shop = read(Shop, {"DATABASE_URL": "a://b"})
    monkeypatch.setenv("COPIES", "4")
    assert shop.copies == 3
    with pytest.raises(ValidationError):
        shop.copies = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://user:pw@host:5672/v", "amqp://user@host:5672/v"),
        ("amqp://user:p/w?x#y@host/v", "amqp://user@host/v"),
        ("amqp://user:p@w@host/v", "amqp://user@host/v"),
        ("http://token@host/", "http://host/"),
        ("redis://:pw@host", "redis://host"),
        ("https://host/path?token=pw#pw", "https://host/path"),
        ("cloudinary://key:pw@cloud", "cloudinary://key@cloud"),
        ("sqlite+aiosqlite:///var/x.db", "sqlite+aiosqlite:///var/x.db"),
        ("sqlite+aiosqlite:////var/x.db", "sqlite+aiosqlite:////var/x.db"),
        ("memory:", "memory:"),
        ("file:var/blobs", "file:var/blobs"),
        ("", ""),
    ],
)
def test_a_url_for_people_has_no_secret(url: str, shown: str) -> None:
    assert safe(SecretStr(url)) == shown
