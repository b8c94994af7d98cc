"""Settings come from the environment, once, at the start; a wrong one is a sentence, not a trace."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError


class BadSettings(Exception):
    """The process can't start with these settings; the text names each variable and what to set."""


def _readable(url: SecretStr) -> SecretStr:
    try:
        urlsplit(url.get_secret_value())
    except ValueError:
        # The reason would quote the host, and with it a password that holds a `/` or a `[`.
        raise ValueError("not a URL; write special characters of user and password percent-encoded") from None
    return url


#: A URL that may carry a password: never printed whole.
Url = Annotated[SecretStr, AfterValidator(_readable)]


class Settings(BaseSettings):
    """What every process knows. A field `x_y` is the variable `X_Y`; its description stands in the README."""

    # Empty is unset: that is what `X_Y=${X_Y:-}` in a compose file makes of a variable nobody has set.
    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    var_dir: Path = Field(Path("var"), description="folder for everything that is kept on this machine")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="`json`, `text`, or `auto`: text on a terminal, else json"
    )
    otel_exporter_otlp_endpoint: Url | None = Field(
        None,
        description="base URL of a collector that takes traces over OTLP/HTTP, `http://host:4318`; its other "
        "variables (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, ...) are OpenTelemetry's own",
    )
    host: str = Field("127.0.0.1", description="address that HTTP binds to")


S = TypeVar("S", bound=Settings)

_QUOTED = re.compile(r'"(\w+)"')
_SCHEME = re.compile(r"([A-Za-z][\w+.-]*:|)(/*)(.*)", re.DOTALL)
_QUERY = re.compile(r"[?#].*", re.DOTALL)


def read(kind: type[S], defaults: Mapping[str, str] | None = None) -> S:
    """The settings of one process; `defaults` (by variable name) stand in for what the environment lacks.

    Raises BadSettings naming every variable that is missing or wrong.
    """
    # pydantic reads variables in any case and knows nothing of empty ones, so neither do we.
    known = {name.upper() for name, value in os.environ.items() if value}
    missing = {name.lower(): value for name, value in (defaults or {}).items() if name.upper() not in known}
    try:
        return kind(**missing)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [_line(kind, problem["loc"], problem["type"], problem["msg"]) for problem in error.errors()]
        raise BadSettings("\n".join(lines)) from None
    except SettingsError as error:
        field = _QUOTED.findall(str(error))[:1]
        raise BadSettings(_line(kind, tuple(field), "json", "not the JSON that is expected")) from None


def safe(url: SecretStr) -> str:
    """The URL for people: without password, without a lone user name, which may be a token, and without
    query. What is cut is rather too much than too little where a password is not percent-encoded."""
    scheme, slashes, rest = _SCHEME.fullmatch(url.get_secret_value()).groups()  # type: ignore[union-attr]
    login, _, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    return scheme + slashes + (f"{user}@" if colon and user else "") + _QUERY.sub("", place)


def _line(kind: type[Settings], loc: tuple[int | str, ...], problem: str, message: str) -> str:
    field = str(loc[0]) if loc else ""
    known = kind.model_fields.get(field)
    meaning = f" ({known.description})" if known and known.description else ""
    if problem == "missing":
        return f"{field.upper()} is not set{meaning}"
    return f"{field.upper() or 'settings'}: {message.removeprefix('Value error, ')}{meaning}"
