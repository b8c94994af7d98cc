"""Traces go along with messages, on every transport; spans are kept where somebody records them."""

from time import process_time

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan

from contracts.commands import OpenFolder
from contracts.events import FolderOpened
from contracts.message import Message
from contracts.transient import ChangesLogged
from messaging import tracing
from messaging.bus import Subscription
from messaging.errors import PermanentError, TemporaryError
from messaging.memory import MemoryBus
from tests.messaging.ear import Ear
from tests.messaging.recorded import recorded
from tests.messaging.rig import Rig, until

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{SPAN}-01"
OPEN, OPENED = (
    OpenFolder(folder="a/characters/b/images"),
    FolderOpened(folder="a/characters/b/images", next_index=1),
)
MALFORMED = [
    "",
    "nonsense",
    f"00-{TRACE}-{SPAN}",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-01-more",
    f"00-{TRACE}-{SPAN}-zz",
    f"01-{TRACE}-{SPAN}-01-{'x' * 1000}",
    f" {SENT}",
    f"{SENT}\n",
    f"00-{TRACE[:-1]}٣-{SPAN}-01",
]


@pytest.mark.parametrize("header", MALFORMED)
def test_a_malformed_traceparent_is_ignored(header: str) -> None:
    assert tracing.read(header) is None


@pytest.mark.parametrize("header", [SENT, f"01-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-03-what-comes-later"])
def test_a_traceparent_of_this_or_a_later_version_is_read(header: str) -> None:
    here = tracing.read(header)
    assert here is not None
    assert (f"{here.trace_id:032x}", f"{here.span_id:016x}", here.trace_flags) == (TRACE, SPAN, 1)


def test_without_a_recorder_a_trace_is_still_one_and_is_handed_on() -> None:
    assert tracing.traceparent() is None
    with tracing.span("work"):
        whole = tracing.traceparent()
        with tracing.span("part"):
            assert tracing.traceparent() == whole
    with tracing.following(tracing.read(SENT), "work"):
        assert tracing.traceparent() == SENT
        assert tracing.ids() == {"trace_id": TRACE, "span_id": SPAN}
    assert tracing.traceparent() is None


def test_a_span_of_an_error_says_its_type_and_nothing_that_it_says() -> None:
    with recorded() as kept, pytest.raises(ValueError), tracing.span("work", batch_id="b-1"):
        raise ValueError("password=hunter2")
    span = kept.named("work")
    assert (span.status.is_ok, span.status.description, span.events) == (False, "ValueError", ())
    assert dict(span.attributes or {}) == {"darkroom.batch_id": "b-1"}


def test_who_works_for_several_belongs_to_none_of_their_traces() -> None:
    with tracing.serving("indexer"), tracing.span("work"):
        tracing.concerns(batch_id="b-1")
        apart = tracing.apart()
        assert (apart.run(tracing.traceparent), apart.run(tracing.SERVICE.get)) == (None, "indexer")
        assert apart.run(structlog.contextvars.get_contextvars) == {}
        assert structlog.contextvars.get_contextvars() == {"batch_id": "b-1"}
        structlog.contextvars.clear_contextvars()


async def test_one_trace_leads_through_the_bus(rig: Rig) -> None:
    heard = Ear()
    reader = Subscription("uploader", FolderOpened, heard)
    with recorded() as kept:
        async with rig.bus.consuming([Subscription("indexer", OpenFolder, Ear([OPENED])), reader]):
            with tracing.serving("gateway"), tracing.span("request"):
                await rig.bus.publish(OPEN)
            await heard.hears()
            await ended(kept.spans, 5)
    assert kept.chain("process uploader.FolderOpened") == [
        "process uploader.FolderOpened",
        "publish FolderOpened.v1",
        "process indexer.OpenFolder",
        "publish OpenFolder.v1",
        "request",
    ]
    services = [
        kept.named(name).resource.attributes["service.name"]
        for name in kept.chain("process uploader.FolderOpened")
    ]
    assert services == ["uploader", "indexer", "indexer", "gateway", "gateway"]
    assert len({span.context.trace_id for span in kept.spans}) == 1


async def test_a_message_that_was_decided_on_elsewhere_belongs_to_that_trace(rig: Rig) -> None:
    heard = Ear()
    with recorded() as kept:
        async with rig.bus.consuming([Subscription("indexer", OpenFolder, heard)]):
            await rig.bus.publish(OPEN, traces=[SENT])
            await heard.hears()
            await ended(kept.spans, 2)
    sent = kept.named("publish OpenFolder.v1")
    assert sent.parent is not None
    assert (f"{sent.context.trace_id:032x}", f"{sent.parent.span_id:016x}") == (TRACE, SPAN)


async def test_what_somebody_injected_is_followed_with_its_trace_and_without_one(rig: Rig) -> None:
    traces: list[str] = []

    async def note(_: Message) -> list[Message]:
        traces.append(tracing.ids()["trace_id"])
        raise TemporaryError("once more", delay=0) if len(traces) == 3 else PermanentError("enough")

    subscription = Subscription("indexer", OpenFolder, note)
    letters = []
    async with rig.bus.consuming([subscription]):
        for headers in ({"traceparent": SENT}, {"traceparent": "00-nonsense-01"}, {}):
            await rig.inject(subscription.queue, OPEN.encode(), headers)
            letters.append(await rig.letter(subscription.queue))
    assert traces[0] == TRACE
    assert len(set(traces)) == 3, "a retry stays in its trace"
    assert [traces.count(trace) for trace in traces] == [1, 1, 2, 2]
    told = [str(letter.headers["traceparent"]).split("-")[1] for letter in letters]
    assert told == [traces[0], traces[1], traces[2]]


async def test_a_hint_belongs_to_its_trace_and_has_no_spans(rig: Rig) -> None:
    heard = Ear()
    with recorded() as kept:
        async with rig.bus.consuming([Subscription("gateway", ChangesLogged, heard)]):
            with tracing.span("request"):
                await rig.bus.publish(ChangesLogged(batch_id="b-1"))
            await heard.hears()
    assert [span.name for span in kept.spans] == ["request"]


async def test_every_line_about_a_delivery_says_what_it_is_about() -> None:
    bus, told = MemoryBus(), []

    async def note(_: Message) -> list[Message]:
        told.append(structlog.contextvars.get_contextvars())
        return []

    async with bus.consuming([Subscription("indexer", OpenFolder, note)]):
        await bus.publish(OpenFolder(folder="one"), OpenFolder(folder="two"))
        await bus.settled()
    assert [line["folder"] for line in told] == ["one", "two"]
    assert {line["queue"] for line in told} == {"indexer.OpenFolder"}
    assert structlog.contextvars.get_contextvars() == {}


def test_what_nobody_records_costs_next_to_nothing() -> None:
    began = process_time()
    for _ in range(2000):
        with tracing.following(tracing.read(SENT), "process"), tracing.publishing([OPEN]):
            pass
    # Measured at 12 µs; a delivery costs a hundred times as much. The bound is far, for busy machines.
    assert (process_time() - began) / 2000 < 200e-6


async def ended(spans: list[ReadableSpan], count: int) -> None:
    async def there() -> bool:
        return len(spans) >= count

    await until(there)
