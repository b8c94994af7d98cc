"""Spans as they are recorded, by name, for whoever asks who followed whom."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from messaging import tracing


@dataclass
class Recorded(SpanExporter):
    """Every span that has ended."""

    spans: list[ReadableSpan] = field(default_factory=list)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS

    def named(self, name: str) -> ReadableSpan:
        """The only one of that name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def chain(self, name: str) -> list[str]:
        """That span and those above it, the first of all at the end."""
        known = {span.context.span_id: span for span in self.spans}
        span: ReadableSpan | None = self.named(name)
        names = []
        while span:
            names.append(span.name)
            span = known.get(span.parent.span_id) if span.parent else None
        return names


@contextmanager
def recorded() -> Iterator[Recorded]:
    kept = Recorded()
    providers: dict[str | None, TracerProvider] = {}

    def tracer_of(service: str | None) -> Tracer:
        if service not in providers:
            resource = Resource({"service.name": service or "nobody"})
            providers[service] = TracerProvider(resource=resource, shutdown_on_exit=False)
            providers[service].add_span_processor(SimpleSpanProcessor(kept))
        return providers[service].get_tracer("tests")

    with tracing.recording(tracer_of):
        yield kept
