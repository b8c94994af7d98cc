"""Spans go to a collector over OTLP/HTTP where one is named; else nothing of it is even loaded."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry.trace import Tracer
from pydantic import SecretStr

from chassis.process import INSTANCE
from messaging import tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

#: Seconds that the last spans may take to get away when the process ends: a collector that is away holds up
#: nobody's restart.
FLUSH_SECONDS = 3.0


@contextmanager
def exporting(endpoint: SecretStr | None) -> Iterator[None]:
    """What is done in the block is recorded and sent to the collector at this base URL; None: to nobody.

    Everything else about it (headers, sampling, sizes, timeouts, attributes of the resource) is told to
    OpenTelemetry itself, by its own `OTEL_` variables. A collector that is away costs spans and nothing else.
    """
    if endpoint is None:
        yield
        return
    # Loaded only where it is used: a tenth of a second and some megabytes.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    sending = BatchSpanProcessor(OTLPSpanExporter(endpoint.get_secret_value().rstrip("/") + "/v1/traces"))
    try:
        with tracing.recording(_tracers(sending)):
            yield
    finally:
        # A thread that nobody has to wait for: the exporter's own patience is longer than ours.
        last = threading.Thread(target=sending.shutdown, daemon=True)
        last.start()
        last.join(FLUSH_SECONDS)


def _tracers(sending: "SpanProcessor") -> Callable[[str | None], Tracer]:
    """One for each service, which share the way out: a process may hold several services."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    known: dict[str | None, Tracer] = {}

    def tracer_of(service: str | None) -> Tracer:
        if service not in known:
            name = f"darkroom-{service}" if service else "darkroom"
            resource = Resource.create({"service.name": name, "service.instance.id": INSTANCE})
            provider = TracerProvider(resource=resource, shutdown_on_exit=False)
            provider.add_span_processor(sending)
            known[service] = provider.get_tracer("darkroom")
        return known[service]

    return tracer_of
