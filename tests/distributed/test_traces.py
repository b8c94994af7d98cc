"""One trace through four processes and a real broker."""

import json
from pathlib import Path

import aio_pika
import httpx
import pytest

from contracts.topology import EXCHANGE
from tests.distributed.asking import variables
from tests.distributed.beside import beside
from tests.distributed.processes import SERVICES, cluster
from tests.distributed.wire import ROUTE, channel
from tests.journeys.caller import SIZE, Caller
from tests.journeys.collector import collecting
from tests.journeys.waiting import until
from tests.journeys.whole_trace import ASKED, BACKWARDS, gaps, images_led_back

#: The last span of an image in each process that comes to it after its numbers are reserved.
LAST = ("publish ImageReady.v1", "process uploader.ImageReady", "process gateway.ImageStored")
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_batch_is_one_trace_over_four_processes_and_a_broker(
    rabbitmq_url: str, postgres_url: str, tmp_path: Path
) -> None:
    with collecting() as collected:
        async with beside(tmp_path, 0.05) as around:
            known = variables(around, rabbitmq_url, postgres_url, tmp_path)
            known |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.url, "DRAIN_SECONDS": "0"}
            # Milliseconds; OpenTelemetry's own variables are still its own.
            known |= {"OTEL_BSP_SCHEDULE_DELAY": "200"}
            async with cluster(tmp_path, known, dict.fromkeys(SERVICES, 1)) as system:
                async with httpx.AsyncClient(base_url=system.of("gateway")[0].url, timeout=30) as client:
                    areg = Caller(client, "Areg")
                    asked = await areg.ask("three", await areg.register("Opal Fever"), quantity=3)
                    await _inject(rabbitmq_url, "followed", f"00-{TRACE}-{SPAN}-01")
                    await _inject(rabbitmq_url, "ignored", f"00-{TRACE}-{'0' * 16}-01")
                    for batch_id in (asked, "followed", "ignored"):
                        await areg.ended(batch_id)

                    async def told() -> bool:
                        # Each process tells of its own spans by itself, so the last of each is waited for.
                        return all(len(collected.named(last)) >= 5 for last in LAST)

                    await until(told)
                assert system.errors() == []
    put = ("gateway", "PUT /v1/batches/{client_id}")
    assert images_led_back(collected, asked) == [[*BACKWARDS, ASKED, put]] * 3
    assert gaps(collected, asked, images=3) == []
    assert images_led_back(collected, "followed") == images_led_back(collected, "ignored") == [BACKWARDS]
    (followed,) = collected.named("process indexer.GenerateBatch", batch_id="followed")
    (ignored,) = collected.named("process indexer.GenerateBatch", batch_id="ignored")
    assert (followed.trace_id, followed.parent_id) == (TRACE, SPAN)
    assert ignored.trace_id != TRACE
    assert ignored.parent_id == ""


async def _inject(url: str, batch_id: str, traceparent: str) -> None:
    character = {"id": "opal-1", "name": "Opal Fever", "collection": "characters"}
    body = SIZE | {"batch_id": batch_id, "username": "Areg", "prompt": "opal", "character": character}
    message = aio_pika.Message(json.dumps(body).encode(), headers={"traceparent": traceparent})
    async with channel(url) as opened:
        await (await opened.get_exchange(EXCHANGE, ensure=False)).publish(message, ROUTE)
