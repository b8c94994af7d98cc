"""One trace from the request to the asset, seen by a collector at the end of a real socket."""

from pathlib import Path
from time import monotonic

import pytest
from pydantic import SecretStr

from chassis.exporting import FLUSH_SECONDS, exporting
from contracts.commands import Character, GenerateBatch
from contracts.topology import Queue
from messaging import tracing
from messaging.envelope import Envelope
from messaging.memory import MemoryBus
from tests.journeys.around import Around
from tests.journeys.caller import HEIGHT, SECRET, SIZE, WIDTH, Caller
from tests.journeys.collector import Collector, collecting
from tests.journeys.system import running
from tests.journeys.whole_trace import ASKED, BACKWARDS, gaps, images_led_back

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{SPAN}-01"
OTHER = TRACE[::-1]


@pytest.mark.slow
async def test_a_batch_is_one_trace_from_the_request_to_its_assets(beside: Around, tmp_path: Path) -> None:
    bus = MemoryBus()
    with collecting() as collected, exporting(SecretStr(collected.url)):
        async with running(bus, beside, tmp_path) as system:
            areg = system.caller("Areg")
            character = await areg.register("Opal Fever")
            asked = await areg.ask("three", character, quantity=3)
            followed = await _ask(areg, "followed", character, SENT)
            ignored = await _ask(areg, "ignored", character, "00-nonsense")
            await bus.inject(Queue("indexer", GenerateBatch), _injected("injected", f"00-{OTHER}-{SPAN}-01"))
            await bus.inject(Queue("indexer", GenerateBatch), _injected("strange", "00-nonsense"))
            for batch_id in (asked, followed, ignored, "injected", "strange"):
                await areg.ended(batch_id)
            await bus.settled()
    put = ("gateway", "PUT /v1/batches/{client_id}")
    said = str([span.facts for span in collected.spans])
    assert [secret for secret in (SECRET, "eyJ", "opal light") if secret in said] == []
    assert images_led_back(collected, asked) == [[*BACKWARDS, ASKED, put]] * 3
    assert gaps(collected, asked, images=3) == []
    assert images_led_back(collected, "injected") == [BACKWARDS]
    roots = {name: _root(collected, name) for name in (asked, followed, ignored, "injected", "strange")}
    assert roots[followed] == (TRACE, SPAN)
    assert roots["injected"] == (OTHER, SPAN)
    others = [roots[name] for name in (asked, ignored, "strange")]
    assert [parent for _, parent in others] == [""] * 3
    assert len({trace for trace, _ in roots.values()}) == 5


@pytest.mark.slow
async def test_a_collector_that_is_away_costs_spans_and_nothing_else(beside: Around, tmp_path: Path) -> None:
    with exporting(SecretStr("http://127.0.0.1:1")):
        async with running(MemoryBus(), beside, tmp_path) as system:
            areg = system.caller("Areg")
            batch = await areg.ended(await areg.ask("one", await areg.register("Opal Fever")))
        began = monotonic()
    assert batch["status"] == "succeeded"
    assert monotonic() - began < FLUSH_SECONDS + 5
    with tracing.span("nobody records this any more"):
        assert not tracing.recorded()


async def _ask(caller: Caller, client_id: str, character: str, traceparent: str) -> str:
    body = SIZE | {"prompt": "opal light", "character_id": character}
    answer = await caller.call("PUT", f"/v1/batches/{client_id}", body, traceparent=traceparent)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _injected(batch_id: str, traceparent: str) -> Envelope:
    request = GenerateBatch(
        batch_id=batch_id,
        username="Areg",
        character=Character(id="opal-1", name="Opal Fever", collection="characters"),
        prompt="opal light",
        width=WIDTH,
        height=HEIGHT,
    )
    return Envelope(GenerateBatch.route(), request.encode(), traceparent=traceparent)


def _root(collected: Collector, batch_id: str) -> tuple[str, str]:
    """The trace of this batch, and what its first span hangs from."""
    (command,) = collected.named("process indexer.GenerateBatch", batch_id=batch_id)
    first = collected.above(command)[-1]
    return first.trace_id, first.parent_id
