"""One log line is one event: JSON for machines, text for people, with batch, index and trace where there are
any."""

import logging
import math
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog

from messaging import tracing

_SECRET_NAMES = re.compile(r"(?i)secret|passw|token|authorization|api_?key|signature|credential|cookie")
# A word that says secret, from its first character on. It is looked for once and never given back: text that
# somebody else chose must not take longer than it is long, or whoever is logged could hold up who logs.
_NAME = rf"(?<![\w-])(?=[\w-]*?(?:{_SECRET_NAMES.pattern[4:]}))[\w-]++"
#: What may hold a URL, and where in it a password begins. It ends at the last @ of the word: passwords are
#: not always percent-encoded as they must be.
_WORD, _PASSWORD = re.compile(r"[^\s'\"]++"), re.compile(r"://[^/:@]*+:")

#: What a credential looks like wherever a foreign text carries it, and what stands there instead.
_SECRETS = (
    # Cloudinary's refusals quote the parameters that were signed.
    (re.compile(r"(String to sign - )'[^']*'?"), r"\1'***'"),
    (re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?)(?:(?:bearer|basic)\s+)?[^\s'\",}]+"), r"\1***"),
    (re.compile(r"(?i)\b(bearer|basic) [A-Za-z0-9._~+/=-]{8,}"), r"\1 ***"),
    (re.compile(r"(?<![\w-])(?=[\w-]*?\beyJ[\w-]{8})[\w-]++\.[\w-]++\.[\w-]*+"), "***"),
    # What calls of webhooks are signed with.
    (re.compile(r"\bwhsec_[\w+/=-]+"), "whsec_***"),
    (re.compile(rf"(?i)(['\"]{_NAME}['\"]\s*+:\s*+)(?:'[^']*+'|\"[^\"]*+\")"), r"\1'***'"),
    (re.compile(rf"(?i)({_NAME}\s*+=\s*+)(?:'[^']*+'|\"[^\"]*+\"|[^\s&'\",;)]+)"), r"\1***"),
)

#: Containers inside containers that are shown; deeper ones, and those that hold themselves, are not.
DEPTH = 6

#: Gone before anything is printed.
_STRUCTLOGS_OWN = ("_record", "_from_structlog")

#: Libraries that tell of every lost connection with a trace, as an error; ours tell of it in a line.
_ALARMED = ("aio_pika", "aiormq")
#: Libraries whose lesser words are about themselves.
_CHATTY = (
    "PIL",
    "aiosqlite",
    "alembic",
    "asyncio",
    "httpcore",
    "httpx",
    "opentelemetry",
    "urllib3",
    "uvicorn",
    "websockets",
)

Event = MutableMapping[str, Any]


def redact(text: str) -> str:
    """The same text without anything that looks like a credential."""
    if "://" in text and "@" in text:
        text = _WORD.sub(_without_password, text)
    for look, instead in _SECRETS:
        text = look.sub(instead, text)
    return text


def _without_password(found: re.Match[str]) -> str:
    word = found[0]
    end = word.rfind("@")
    begin = _PASSWORD.search(word, 0, max(end, 0))
    return f"{word[: begin.end()]}***{word[end:]}" if begin else word


def configure(
    service: str,
    level: str = "info",
    form: Literal["auto", "json", "text"] = "auto",
    stream: TextIO | None = None,
) -> None:
    """Sends structlog and the standard library's loggers to `stream` (standard error), through the same
    processors. Nothing that is logged can make the caller fail."""
    stream = stream or sys.stderr
    people = form == "text" or (form == "auto" and stream.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _naming(service),
        _made_plain,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    _standard_library(_handler(stream, shared, people), level.upper())


def _handler(stream: TextIO, shared: list[Any], people: bool) -> logging.Handler:
    last: Any = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="time")
        if people
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    return handler


def _standard_library(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for alarmed in _ALARMED:
        logging.getLogger(alarmed).setLevel(logging.CRITICAL)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("asyncio").addFilter(_calmed)
    # The SDK adds a handler of its own at import, which would print every line twice.
    logging.getLogger("Cloudinary").handlers.clear()


def _calmed(record: logging.LogRecord) -> bool:
    """A connection that breaks when nobody waits for it any more is no error: asyncpg leaves such a future
    behind where connecting was given up, and whoever needs the database says so himself."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, ConnectionError) and "never retrieved" in record.getMessage():
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def _naming(service: str) -> Any:
    def add(_logger: Any, _method: str, event: Event) -> Event:
        event.setdefault("service", tracing.SERVICE.get() or service)
        event.update(tracing.ids())
        return event

    return add


def _made_plain(_logger: Any, _method: str, event: Event) -> Event:
    return {
        name: value if name in _STRUCTLOGS_OWN else _plain(name, value, DEPTH)
        for name, value in event.items()
    }


def _plain(name: str, value: Any, depth: int) -> Any:
    """Something that JSON knows, without secrets."""
    if value is not None and _SECRET_NAMES.search(name):
        return "***"
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _plain_container(value, depth - 1)
    return redact(value if isinstance(value, str) else _words(value))


def _plain_container(values: Any, depth: int) -> Any:
    if not depth:
        return "..."
    if isinstance(values, Mapping):
        return {_words(name): _plain(_words(name), value, depth) for name, value in values.items()}
    return [_plain("", value, depth) for value in values]


def _words(value: object) -> str:
    try:
        return value if isinstance(value, str) else repr(value)
    except Exception as error:  # noqa: BLE001  a value that can't be shown must not hide the line about it
        return f"{type(value).__name__} that can't be shown ({type(error).__name__})"
