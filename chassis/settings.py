"""Settings come from the environment, once, at the start; a wrong one is a sentence, not a trace."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class BadSettings(Exception):
    """The process can't start with these settings; the text names each variable and what to set."""


class Settings(BaseSettings):
    """What every process knows. A field `x_y` is the variable `X_Y`; its description stands in the README."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    var_dir: Path = Field(Path("var"), description="folder for everything that is kept on this machine")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="`json`, `text`, or `auto`: text on a terminal, else json"
    )
    host: str = Field("127.0.0.1", description="address that HTTP binds to")


def _shown_without_password(url: SecretStr) -> SecretStr:
    try:
        urlsplit(url.get_secret_value())
    except ValueError as why:
        raise ValueError(f"not a URL: {why}") from None
    return url


#: A URL that may carry a password: never printed whole.
Url = Annotated[SecretStr, AfterValidator(_shown_without_password)]

S = TypeVar("S", bound=Settings)


def read(kind: type[S], defaults: Mapping[str, str] | None = None) -> S:
    """The settings of one process; `defaults` (by variable name) stand in for what the environment lacks.

    Raises BadSettings naming every variable that is missing or wrong.
    """
    missing = {name: value for name, value in (defaults or {}).items() if name not in os.environ}
    try:
        return kind(**{name.lower(): value for name, value in missing.items()})  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [_line(kind, problem["loc"], problem["type"], problem["msg"]) for problem in error.errors()]
        raise BadSettings("\n".join(lines)) from None


def safe(url: SecretStr) -> str:
    """The URL for people: without password and query, which may carry a token."""
    parts = urlsplit(url.get_secret_value())
    host = parts.netloc.rpartition("@")[2]
    user = f"{parts.username}@" if parts.username else ""
    return urlunsplit((parts.scheme, user + host, parts.path, "", ""))


def _line(kind: type[Settings], loc: tuple[int | str, ...], problem: str, message: str) -> str:
    field = str(loc[0]) if loc else ""
    known = kind.model_fields.get(field)
    meaning = f" ({known.description})" if known and known.description else ""
    if problem == "missing":
        return f"{field.upper()} is not set{meaning}"
    return f"{field.upper() or 'settings'}: {message.removeprefix('Value error, ')}{meaning}"
