"""What Prometheus is told while images are made, fail, wait and die: seen at `/metrics`, over HTTP."""

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from contracts.commands import Character, GenerateBatch
from messaging.memory import MemoryBus
from tests.journeys.around import Around
from tests.journeys.caller import HEIGHT, WIDTH
from tests.journeys.system import System, running
from tests.journeys.waiting import until

Figures = dict[str, float]

#: What has to have grown, or to stand above nothing, once the run is over: name, and labels that matter.
FILLED: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("darkroom_queue_seconds_count", {}),
    ("darkroom_render_seconds_count", {}),
    ("darkroom_upload_seconds_count", {}),
    ("darkroom_image_seconds_count", {"end": "succeeded"}),
    ("darkroom_image_seconds_count", {"end": "placeholder"}),
    ("darkroom_handling_seconds_count", {"queue": "uploader.ImageReady"}),
    ("darkroom_cloudinary_seconds_count", {"call": "upload"}),
    ("darkroom_http_seconds_count", {"route": "/v1/batches/{client_id}", "answer": "2xx"}),
    ("darkroom_render_retries_total", {"code": "out_of_memory"}),
    ("darkroom_deliveries_total", {"outcome": "done"}),
    ("darkroom_deliveries_total", {"queue": "indexer.GenerateBatch", "outcome": "dead"}),
    ("darkroom_renders_submitted_total", {}),
    ("darkroom_images_rendered_total", {}),
    ("darkroom_images_ended_total", {"code": "node_failed"}),
    ("darkroom_images_accepted_total", {}),
    ("darkroom_images_finished_total", {"end": "succeeded"}),
    ("darkroom_uploads_total", {"end": "stored"}),
    ("darkroom_gpu_seconds_total", {}),
    ("darkroom_mirrors_written_total", {"end": "written"}),
    ("darkroom_accept_group_count", {}),
    ("darkroom_heard_group_count", {}),
    ("darkroom_reserve_group_count", {}),
)
#: What has to stand above nothing while some images stand still and others wait for them.
SHOWN: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("darkroom_images_in_flight", {}),
    ("darkroom_in_flight", {"service": "renderer"}),
    ("darkroom_images_waiting", {}),
    ("darkroom_backend_busy", {}),
    ("darkroom_backend_healthy", {}),
    ("darkroom_outbox_age_seconds", {}),
    ("darkroom_dead_letters", {"queue": "indexer.GenerateBatch"}),
    *(("darkroom_ready", {"service": name}) for name in ("gateway", "indexer", "renderer", "uploader")),
)


@pytest.mark.slow
async def test_a_run_fills_every_figure(beside: Around, tmp_path: Path) -> None:
    await beside.trouble_backends(
        {"kind": "out_of_memory", "text": "once", "times": 1},
        {"kind": "node_error", "text": "thunder", "times": None},
        {"kind": "stall", "text": "stillness", "seconds": 60, "times": None},
    )
    bus = MemoryBus()
    async with running(bus, beside, tmp_path) as system:
        before = await _told(system)
        areg = system.caller("Areg")
        opal = await areg.register("Opal Fever")
        ends = [
            await areg.ended(await areg.ask(name, opal, prompt=name, quantity=2))
            for name in ("once", "thunder")
        ]
        await bus.publish(_same_id_other_wish(str(ends[0]["id"])))
        folder = "Areg/characters/opal-fever/images"
        await beside.mirrored(folder, 5)
        await bus.settled()
        after = await _told(system)
        assert [each for each in FILLED if _sum(after, *each) <= _sum(before, *each)] == []
        assert _sum(after, "darkroom_submits_per_image", {}) > 1
        still = await areg.ask("still", opal, prompt="stillness", quantity=8)

        async def shown() -> bool:
            told = await _told(system)
            return all(_sum(told, *each) > 0 for each in SHOWN)

        await until(shown)
        await areg.cancel(still)
        await areg.ended(still)


async def _told(system: System) -> Figures:
    """Every sample, by its name and labels."""
    answer: httpx.Response = await system.client.get("/metrics")
    families = text_string_to_metric_families(answer.text)
    return {
        f"{sample.name} {sorted(sample.labels.items())}": sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("darkroom_")
    }


def _sum(told: Figures, name: str, labels: Mapping[str, str]) -> float:
    wanted = [str(label) for label in labels.items()]
    return sum(
        value
        for key, value in told.items()
        if key.startswith(f"{name} ") and all(label in key for label in wanted)
    )


def _same_id_other_wish(batch_id: str) -> GenerateBatch:
    opal = Character(id="opal", name="Opal Fever", collection="characters")
    return GenerateBatch(
        batch_id=batch_id, username="Mira", character=opal, prompt="mine", width=WIDTH, height=HEIGHT
    )
