"""One log line is one event: JSON for machines, text for people, with batch and index where there are any."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

#: Passwords in URLs, signed strings and bearer tokens, wherever a foreign error text carries them.
_SECRET = re.compile(
    r"(?<=://)([^/\s:@]+):[^@/\s]+(?=@)|(?i:(bearer|basic)) [A-Za-z0-9._~+/=-]{8,}|(String to sign - )'[^']*'"
)
_SECRET_NAMES = re.compile(r"(?i)secret|password|token|authorization|api_?key|signature")

Event = MutableMapping[str, Any]


def redact(text: str) -> str:
    """The same text without anything that looks like a credential."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2] or found[3]}:***", text)


def configure(
    service: str,
    level: str = "info",
    form: Literal["auto", "json", "text"] = "auto",
    stream: TextIO | None = None,
) -> None:
    """Sends structlog and the standard library's loggers to `stream` (standard error), through the same
    processors."""
    stream = stream or sys.stderr
    people = form == "text" or (form == "auto" and stream.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _naming(service),
        _without_secrets,
    ]
    last: Any = structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer()
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
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in (
        "aio_pika",
        "aiormq",
        "httpx",
        "httpcore",
        "urllib3",
        "websockets",
        "aiosqlite",
        "alembic",
    ):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # The SDK adds a handler of its own at import, which would print every line twice.
    logging.getLogger("Cloudinary").handlers.clear()


def _naming(service: str) -> Any:
    def add(_logger: Any, _method: str, event: Event) -> Event:
        event.setdefault("service", service)
        return event

    return add


def _without_secrets(_logger: Any, _method: str, event: Event) -> Event:
    for name, value in event.items():
        if _SECRET_NAMES.search(name):
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = redact(value)
    return event
