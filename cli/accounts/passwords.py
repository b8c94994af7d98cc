"""The passwords of all accounts, out of the environment or out of a folder of files; nothing keeps them."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, SecretStr, create_model

from chassis.settings import BadSettings, Settings, read
from contracts.permissions import accounts

#: The owner of the tables, a role for each service, and one that may only count what waits.
ROLES = ("owner", "gateway", "indexer", "renderer", "uploader", "monitor")
BROKER, DATABASE = "BROKER_PASSWORD", "DATABASE_PASSWORD"


def users() -> tuple[str, ...]:
    """Of the broker."""
    return tuple(account.name for account in accounts())


def new() -> str:
    """A line `NAME=value` for every password there is, as an environment file has them. Their letters need
    no escape in a URL."""
    names = [_variable(BROKER, name) for name in users()] + [_variable(DATABASE, name) for name in ROLES]
    return "".join(f"{name}={secrets.token_hex(24)}\n" for name in names)


def passwords(kind: str, names: Sequence[str], folder: Path | None) -> Mapping[str, str]:
    """By account: the variable, else the file of the same name in `folder`, as secrets are mounted. Raises
    BadSettings that names every one that is missing."""
    fields = {_variable(kind, name).lower(): (SecretStr, _said(name)) for name in names}
    known = read(create_model(kind, __base__=Settings, **fields), _files(folder))  # type: ignore[call-overload]
    return {name: getattr(known, _variable(kind, name).lower()).get_secret_value() for name in names}


def _said(name: str) -> object:
    return Field(description=f"password of {name}; `darkroom passwords` makes all of them")


def _variable(kind: str, name: str) -> str:
    return f"{kind}_{name.upper()}"


def _files(folder: Path | None) -> Mapping[str, str]:
    if folder is None:
        return {}
    if not folder.is_dir():
        raise BadSettings(f"{folder} is no folder; name one with a file for each password")
    return {
        file.name: file.read_text().strip()
        for file in folder.iterdir()
        if file.is_file() and file.name.startswith((BROKER, DATABASE))
    }
