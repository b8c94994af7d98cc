"""Requests as parts of a trace: the caller's, where he sends a `traceparent`, else one that begins here."""

from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from messaging import tracing

#: Asked every few seconds by whoever looks after the process; about no work.
STATUS_PATHS = frozenset({"/health", "/ready", "/metrics"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Traced:
    """Around everything that a process serves."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in STATUS_PATHS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        # Two of them say nothing that could be relied on.
        sent = headers.getlist("traceparent")
        sender = tracing.read(sent[0], headers.get("tracestate")) if len(sent) == 1 else None
        # A method can be any word, and names of spans are few.
        method = scope["method"] if scope["method"] in METHODS else "HTTP"

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered(message["status"])
            await send(message)

        with (
            tracing.serving(self._service),
            tracing.following(sender, method, SpanKind.SERVER, path=scope["path"]),
        ):
            await self._app(scope, receive, watched if tracing.recorded() else send)


def answered(status: int) -> None:
    tracing.marked(status=status)
    if status >= 500:
        tracing.failed(str(status))
