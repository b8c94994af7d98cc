"""One trace from the first request to the last word: W3C trace context on every message and log line, and
spans where somebody records them.

Without a recorder nothing is kept: a trace is then two numbers that are handed on.
"""

import contextvars
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import structlog
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, SpanKind, StatusCode, TraceFlags, Tracer, TraceState

from contracts.message import Kind, Message

Fact = str | int | float | bool

#: Whose work this is: several services may share a process.
SERVICE: contextvars.ContextVar[str | None] = contextvars.ContextVar("darkroom_service", default=None)

# https://www.w3.org/TR/trace-context/#traceparent-header: later versions may say more behind the flags.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
#: Characters of a traceparent that are read.
_LONGEST = 256
_NOWHERE = Context()


@dataclass
class _Recording:
    """Who records the spans of a service; None while nobody does. One for the process, as the log is."""

    tracer_of: Callable[[str | None], Tracer] | None = None


_RECORDING = _Recording()


@contextmanager
def recording(tracer_of: Callable[[str | None], Tracer]) -> Iterator[None]:
    """Spans go to the tracer of their service while the block lasts."""
    before, _RECORDING.tracer_of = _RECORDING.tracer_of, tracer_of
    try:
        yield
    finally:
        _RECORDING.tracer_of = before


@contextmanager
def serving(service: str) -> Iterator[None]:
    """What is done in the block is this service's, in log and trace."""
    token = SERVICE.set(service)
    try:
        yield
    finally:
        SERVICE.reset(token)


def read(traceparent: str | None, tracestate: str | None = None) -> SpanContext | None:
    """Where the sender stood; None where it is missing or not what W3C writes: then it is ignored."""
    if traceparent is None or len(traceparent) > _LONGEST:
        return None
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found[1] == "00" and found[5]):
        return None
    state = TraceState.from_header([tracestate]) if tracestate else None
    flags = TraceFlags(int(found[4], 16) & TraceFlags.SAMPLED)
    sent = SpanContext(int(found[2], 16), int(found[3], 16), True, flags, state)
    return sent if sent.is_valid else None


def traceparent() -> str | None:
    """Where we stand, as W3C writes it; None outside of every trace."""
    here = trace.get_current_span().get_span_context()
    return _written(here) if here.is_valid else None


def ids() -> dict[str, str]:
    """What a log line says of the trace it belongs to."""
    here = trace.get_current_span().get_span_context()
    return {"trace_id": f"{here.trace_id:032x}", "span_id": f"{here.span_id:016x}"} if here.is_valid else {}


def recorded() -> bool:
    """Whether somebody will see the span of the moment."""
    return trace.get_current_span().is_recording()


def named(name: str) -> None:
    """The span of the moment has this name, which was not known when it began."""
    trace.get_current_span().update_name(name)


def concerns(**facts: Fact) -> None:
    """From here to the end of this task every line and the span of the moment say what it is about."""
    structlog.contextvars.bind_contextvars(**facts)
    marked(**facts)


def marked(**facts: Fact) -> None:
    """The span of the moment says so."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes(_named(facts))


def failed(reason: str) -> None:
    """The span of the moment is one that went wrong. No foreign text, which may hold a secret."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_status(StatusCode.ERROR, reason)


def apart() -> contextvars.Context:
    """For a task that works for several at once: it is of this service, and of nobody's trace."""
    here = contextvars.copy_context()
    here.run(_forget)
    return here


@contextmanager
def span(name: str, kind: SpanKind = SpanKind.INTERNAL, **facts: Fact) -> Iterator[None]:
    """A part of what is done here, of a trace of its own where there is none."""
    with _within(contexts.get_current(), name, kind, facts):
        yield


@contextmanager
def following(
    sender: SpanContext | None,
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    quiet: bool = False,
    **facts: Fact,
) -> Iterator[None]:
    """Goes on from where the sender stood, whatever is done here besides; begins a trace where nobody sent
    one. A quiet one goes on without a span of its own."""
    parent = trace.set_span_in_context(trace.NonRecordingSpan(sender), _NOWHERE) if sender else _NOWHERE
    with _within(parent, name, kind, facts, quiet):
        yield


def past(name: str, sender: SpanContext | None, began: float, ended: float, **facts: Fact) -> None:
    """A span that was over before anybody could tell: epoch seconds. Its parent is where the sender stood,
    else here."""
    if _RECORDING.tracer_of is None:
        return
    parent = trace.set_span_in_context(trace.NonRecordingSpan(sender)) if sender else None
    tracer, named = (
        _RECORDING.tracer_of(SERVICE.get()),
        {f"darkroom.{key}": fact for key, fact in facts.items()},
    )
    tracer.start_span(name, parent, attributes=named, start_time=_ns(began)).end(_ns(max(began, ended)))


@contextmanager
def publishing(messages: Sequence[Message], traces: Sequence[str | None] = ()) -> Iterator[list[str | None]]:
    """What each message travels with. `traces` say where each belongs, in order; without them they belong to
    what is done here. A span of each is open while the block lasts, but for hints."""
    here = traceparent()
    senders = list(traces) or [here] * len(messages)
    tracer_of = _RECORDING.tracer_of
    if tracer_of is None:
        yield senders
        return
    tracer = tracer_of(SERVICE.get())
    with ExitStack() as ending:
        for place, (message, sender) in enumerate(zip(messages, senders, strict=True)):
            if message.kind is not Kind.TRANSIENT:
                begun = _published(tracer, message, None if sender == here else read(sender))
                ending.callback(begun.end)
                senders[place] = _written(begun.get_span_context())
        yield senders


def _published(tracer: Tracer, message: Message, sender: SpanContext | None) -> Span:
    parent = trace.set_span_in_context(trace.NonRecordingSpan(sender), _NOWHERE) if sender else None
    return tracer.start_span(f"publish {message.route()}", parent, SpanKind.PRODUCER, _named(message.about()))


@contextmanager
def _within(
    parent: Context, name: str, kind: SpanKind, facts: Mapping[str, Fact], quiet: bool = False
) -> Iterator[None]:
    here, tracer_of = trace.get_current_span(parent), _RECORDING.tracer_of
    if tracer_of is not None and not quiet:
        here = begun = tracer_of(SERVICE.get()).start_span(name, parent, kind, _named(facts))
    else:
        begun = None
    if not here.get_span_context().is_valid:
        here = trace.NonRecordingSpan(_fresh())
    token = contexts.attach(trace.set_span_in_context(here, parent))
    try:
        yield
    except Exception as error:
        # Its type alone: texts of errors may hold secrets, and nobody looks through what is exported.
        failed(type(error).__name__)
        raise
    finally:
        contexts.detach(token)
        if begun is not None:
            begun.end()


def _forget() -> None:
    structlog.contextvars.clear_contextvars()
    contexts.attach(_NOWHERE)


def _fresh() -> SpanContext:
    """A trace that nobody records: it finds log lines that belong together."""
    return SpanContext(secrets.randbits(128) or 1, secrets.randbits(64) or 1, False)


def _written(here: SpanContext) -> str:
    return f"00-{here.trace_id:032x}-{here.span_id:016x}-{int(here.trace_flags):02x}"


def _named(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    return {f"darkroom.{name}": fact for name, fact in facts.items()}


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
