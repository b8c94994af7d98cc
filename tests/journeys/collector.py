"""A collector of traces, as small as one can be: OTLP over HTTP on a real socket, in a thread of its own."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue


@dataclass(frozen=True)
class Seen:
    """A span as it came over the wire."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    #: Nanoseconds since 1970.
    began: int
    ended: int
    facts: dict[str, str] = field(hash=False)

    @property
    def batch_id(self) -> str | None:
        return self.facts.get("darkroom.batch_id")


@dataclass
class Collector:
    url: str = ""
    spans: list[Seen] = field(default_factory=list)

    def named(self, name: str, **facts: str) -> list[Seen]:
        """All of that name, and of these facts."""
        wanted = {f"darkroom.{fact}": value for fact, value in facts.items()}.items()
        return [span for span in list(self.spans) if span.name == name and wanted <= span.facts.items()]

    def above(self, span: Seen) -> list[Seen]:
        """The span and those that led to it, the first of all at the end."""
        known = {each.span_id: each for each in list(self.spans)}
        chain = [span]
        while above := known.get(chain[-1].parent_id):
            chain.append(above)
        return chain

    def take(self, body: bytes) -> None:
        asked = ExportTraceServiceRequest()
        asked.ParseFromString(body)
        for group in asked.resource_spans:
            service = _facts(group.resource.attributes)["service.name"]
            for scope in group.scope_spans:
                self.spans += [
                    Seen(
                        service,
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        _facts(span.attributes),
                    )
                    for span in scope.spans
                ]


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            right = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            if right:
                packed = self.headers.get("Content-Encoding") == "gzip"
                collector.take(gzip.decompress(body) if packed else body)
            self.send_response(200 if right else 404)
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, *_: object) -> None:
            """Not to standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _facts(attributes: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in attributes:  # type: ignore[attr-defined]
        assert isinstance(each, KeyValue)
        kind = each.value.WhichOneof("value")
        found[each.key] = str(getattr(each.value, kind)) if kind else ""
    return found
