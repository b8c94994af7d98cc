"""Where passwords come from, and that nothing keeps or shows them."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chassis.settings import BadSettings
from cli.__main__ import app
from cli.accounts.passwords import BROKER, DATABASE, ROLES, new, passwords, users
from messaging.rabbitmq.definitions import password_hash

NAMES = {f"{BROKER}_{name.upper()}" for name in users()} | {f"{DATABASE}_{name.upper()}" for name in ROLES}


def written() -> dict[str, str]:
    return dict(line.split("=") for line in new().splitlines())


def test_new_passwords_are_many_long_and_without_letters_that_a_url_needs_escaped() -> None:
    made = written()
    assert set(made) == NAMES
    assert len(set(made.values()) | set(written().values())) == 2 * len(NAMES)
    assert all(len(each) >= 32 and each.isalnum() for each in made.values())


def test_a_password_is_a_variable_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "BROKER_PASSWORD_GATEWAY").write_text("from a file\n")
    (tmp_path / "BROKER_PASSWORD_INDEXER").write_text("not asked\n")
    monkeypatch.setenv("BROKER_PASSWORD_INDEXER", "from a variable")
    found = passwords(BROKER, ["gateway", "indexer"], tmp_path)
    assert found == {"gateway": "from a file", "indexer": "from a variable"}


def test_every_missing_password_is_named_and_no_known_one_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_PASSWORD_GATEWAY", "secret words")
    with pytest.raises(BadSettings) as said:
        passwords(BROKER, ["gateway", "indexer", "admin"], None)
    lines = str(said.value).splitlines()
    assert [line.split()[0] for line in lines] == ["BROKER_PASSWORD_INDEXER", "BROKER_PASSWORD_ADMIN"]
    assert "secret words" not in str(said.value)


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="is no folder"):
        passwords(BROKER, ["gateway"], tmp_path / "nowhere")


def test_definitions_hold_hashes_in_a_file_that_is_whole_from_the_beginning(tmp_path: Path) -> None:
    file, made = tmp_path / "definitions.json", written()
    done = CliRunner().invoke(app, ["topology", "definitions", "--vhost", "v", "--out", str(file)], env=made)
    assert done.exit_code == 0, done.output
    text = file.read_text()
    assert not any(password in text for password in made.values())
    assert {user["name"] for user in json.loads(text)["users"] if user["password_hash"]} == set(users())
    assert [each.name for each in tmp_path.iterdir()] == ["definitions.json"]


def test_a_hash_is_salt_and_sha_256_of_both() -> None:
    """The example of https://www.rabbitmq.com/docs/passwords."""
    salt = bytes.fromhex("908DC60A")
    digest = hashlib.sha256(salt + b"test12").digest()
    assert password_hash("test12", salt) == base64.b64encode(salt + digest).decode()
    assert password_hash("test12", salt) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
