"""The renderer as a whole: batches go in, images come out, each its own."""

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest

from chassis.blobs import open_blobs
from chassis.settings import BadSettings
from contracts.commands import CancelBatch, Character, RetryImages
from messaging.memory import MemoryBus
from services.renderer.app import open_renderer
from tests.services.renderer.backends import backend
from tests.services.renderer.requests import OPAL, reserved
from tests.services.renderer.stage import settings, stage

PORTRAIT: dict[str, Any] = {"workflow": "portrait", "parameters": {"steps": 4}}


async def test_a_batch_ends_as_that_many_different_images(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one, backend(tmp_path / "b") as two:
        async with stage(tmp_path, one.renderer_url, two.renderer_url) as heard:
            await heard.bus.publish(reserved(quantity=8, first=5))
            await heard.ended(8)
        assert sorted(image.index for image in heard.ready) == list(range(5, 13))
        assert len({image.md5 for image in heard.ready}) == 8
        executed = await one.executions() | await two.executions()
        assert sorted(executed) == sorted(f"b1/1/Areg_opal-fever_image_{n}" for n in range(5, 13))
        assert set(executed.values()) == {1}


async def test_the_bytes_of_an_image_lie_under_its_key_before_it_is_announced(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await heard.bus.publish(reserved(padding=4))
        await heard.ended(1)
    (image,) = heard.ready
    async with open_blobs(f"file:{tmp_path}/blobs") as blobs:
        data = await blobs.get(image.blob_key) or b""
    assert (hashlib.md5(data).hexdigest(), len(data)) == (image.md5, image.byte_count)
    assert (image.media_type, image.width, image.height) == ("image/png", 64, 64)
    assert image.name == "Areg_opal-fever_image_0001"
    assert image.backend == one.name


async def test_a_backend_never_holds_more_than_its_depth(tmp_path: Path) -> None:
    async with (
        backend(tmp_path / "a", render_seconds=0.05) as one,
        stage(tmp_path, one.renderer_url, depth=3) as heard,
    ):
        await heard.bus.publish(reserved(quantity=12, **PORTRAIT))
        await heard.ended(12)
        # The next job is queued before the last one ends, and never more than the depth.
        assert (await one.stats())["max_queued"] in (2, 3)


async def test_progress_tells_steps_and_the_place_in_the_queue(tmp_path: Path) -> None:
    async with (
        backend(tmp_path / "a", render_seconds=1.2) as one,
        stage(tmp_path, one.renderer_url) as heard,
    ):
        await heard.bus.publish(reserved(quantity=2, workflow="portrait", parameters={"steps": 24}))
        await heard.ended(2)
    running = [each for each in heard.progress if each.stage == "running" and each.steps]
    assert running
    assert all(0 < each.step <= each.steps == 24 for each in running)
    assert max(each.ahead for each in heard.progress if each.stage == "queued") == 1
    # Not more than two a second of one image, however many steps it has.
    assert len([each for each in running if each.ordinal == 0]) <= 4


async def test_who_waits_in_the_book_is_told_how_many_are_before_it(tmp_path: Path) -> None:
    async with (
        backend(tmp_path / "a", render_seconds=0.8) as one,
        stage(tmp_path, one.renderer_url) as heard,
    ):
        await heard.bus.publish(reserved(quantity=6, **PORTRAIT))
        await heard.until(lambda: any(each.ordinal == 5 for each in heard.progress))
        await heard.bus.publish(CancelBatch(batch_id="b1"))
        await heard.ended(6)
    first = next(each for each in heard.progress if each.ordinal == 5)
    assert (first.stage, first.index) == ("queued", 6)
    assert 2 <= first.ahead <= 5


async def test_time_on_the_gpu_and_before_it_are_told(tmp_path: Path) -> None:
    async with (
        backend(tmp_path / "a", render_seconds=0.3) as one,
        stage(tmp_path, one.renderer_url) as heard,
    ):
        asked_at = time.time()
        await heard.bus.publish(reserved(quantity=2, **PORTRAIT))
        await heard.ended(2)
        entries = await one.timeline()
    for image, entry in zip(sorted(heard.ready, key=lambda each: each.ordinal), entries, strict=True):
        ((began, ended),) = entry["runs"]
        assert image.gpu_ms == pytest.approx((ended - began) * 1000, abs=150)
        assert (began - entry["accepted_at"]) * 1000 - 50 <= image.queue_ms <= (began - asked_at) * 1000 + 50


@pytest.mark.parametrize(("embedding", "used"), [("opal_fever", True), ("nobody", False), (None, False)])
async def test_an_embedding_is_used_where_the_backend_offers_it(
    tmp_path: Path, embedding: str | None, used: bool
) -> None:
    character = Character(id=OPAL.id, name=OPAL.name, collection=OPAL.collection, embedding=embedding)
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await heard.bus.publish(reserved(character=character, **PORTRAIT))
        await heard.ended(1)
    assert heard.ready[0].used_embedding is used


async def test_images_of_a_character_go_where_its_embedding_is(tmp_path: Path) -> None:
    character = Character(id=OPAL.id, name=OPAL.name, collection=OPAL.collection, embedding="opal_fever")
    async with (
        backend(tmp_path / "a", embeddings=()) as bare,
        backend(tmp_path / "b") as trained,
        stage(tmp_path, bare.renderer_url, trained.renderer_url) as heard,
    ):
        await heard.bus.publish(reserved("warm", quantity=4))
        await heard.until(lambda: {each.backend for each in heard.ready} == {bare.name, trained.name})
        await heard.until(lambda: len(heard.ready) == 4)
        await heard.bus.publish(reserved("opal", quantity=2, character=character, **PORTRAIT))
        await heard.until(lambda: len(heard.ready) == 6)
    opal = [image for image in heard.ready if image.batch_id == "opal"]
    assert {(image.backend, image.used_embedding) for image in opal} == {(trained.name, True)}


async def test_the_same_seed_makes_the_same_picture_and_without_one_a_batch_draws_its_own(
    tmp_path: Path,
) -> None:
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        for batch, seed in (("s1", 7), ("s2", 7), ("d1", None), ("d2", None)):
            await heard.bus.publish(reserved(batch, quantity=2, seed=seed))
        await heard.ended(2)
        await heard.until(lambda: len(heard.ready) == 8)
    seeds = {(image.batch_id, image.ordinal): image.seed for image in heard.ready}
    assert [seeds[batch, n] for batch in ("s1", "s2") for n in (0, 1)] == [7, 8, 7, 8]
    assert seeds["d1", 1] == seeds["d1", 0] + 1
    assert seeds["d1", 0] != seeds["d2", 0]


async def test_a_repeated_reservation_renders_nothing_twice(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await heard.bus.publish(reserved(quantity=4), reserved(quantity=4))
        await heard.ended(4)
        await heard.bus.publish(reserved(quantity=4))
        await heard.until(lambda: len(heard.ready) >= 8)
        assert set((await one.executions()).values()) == {1}
    assert len({image.id() for image in heard.ready}) == 4


async def test_a_cancel_stops_what_runs_and_what_waits(tmp_path: Path) -> None:
    async with (
        backend(tmp_path / "a", render_seconds=5) as one,
        stage(tmp_path, one.renderer_url) as heard,
    ):
        await heard.bus.publish(reserved(quantity=6, **PORTRAIT))
        await heard.until(lambda: any(each.stage == "running" for each in heard.progress))
        await heard.bus.publish(CancelBatch(batch_id="b1"))
        await heard.ended(6)
        assert set(heard.ends().values()) == {"cancelled"}
        stats = await one.stats()
        # What runs ends at its next step, and one that waited was never begun.
        assert (stats["cancelled"], stats["executed"]) == (2, 1)


async def test_a_retry_renders_a_failed_image_again_under_its_number(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await one.fault("node_error", prefix="image_2")
        await heard.bus.publish(reserved(quantity=2))
        await heard.ended(2)
        assert heard.ends() == {(0, 1): "done", (1, 1): "node_failed"}
        await heard.bus.publish(RetryImages(batch_id="b1", round=2, ordinals=(1,)))
        await heard.ended(3)
    (again,) = (image for image in heard.ready if image.round == 2)
    assert (again.ordinal, again.index) == (1, 2)


async def test_an_unknown_style_or_parameter_fails_at_once_and_names_the_known_ones(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await heard.bus.publish(reserved("style", workflow="portrait", style="cubist"))
        await heard.bus.publish(reserved("parameter", workflow="portrait", parameters={"stepps": 4}))
        await heard.bus.publish(reserved("workflow", workflow="landscape"))
        await heard.until(lambda: len(heard.failed) == 3)
        assert (await one.stats())["accepted"] == 0
    found = {each.batch_id: each for each in heard.failed}
    assert "anime, noir, photographic, watercolour" in found["style"].detail
    assert "cfg, checkpoint, sampler, scheduler, steps" in found["parameter"].detail
    assert found["workflow"].code == "unknown_workflow"
    assert not any(each.retryable for each in heard.failed)


async def test_nothing_is_dropped_while_no_backend_is_healthy(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as first:
        port = int(first.url.rpartition(":")[2])
    async with stage(tmp_path, first.renderer_url) as heard:
        await heard.bus.publish(reserved(quantity=2))
        async with backend(tmp_path / "a", port=port):
            await heard.ended(2)
    assert set(heard.ends().values()) == {"done"}


async def test_a_fleet_that_cannot_be_used_is_refused_in_a_sentence(tmp_path: Path) -> None:
    bus = MemoryBus()
    with pytest.raises(BadSettings, match=r"begins with one of comfyui\+http://"):
        async with open_renderer(settings(tmp_path, ["http://abc"]), bus):
            pass
    with pytest.raises(BadSettings, match=r"graph\.json"):
        async with open_renderer(settings(tmp_path, ["comfyui+http://h"], workflows_dir=tmp_path), bus):
            pass


async def test_backends_are_told_with_health_depth_and_embeddings_and_without_credentials(
    tmp_path: Path,
) -> None:
    bus = MemoryBus()
    async with backend(tmp_path / "a") as one:
        url = one.renderer_url.replace("//", "//user:geheim@") + "?token=geheim"
        async with open_renderer(settings(tmp_path, [url], depth=5), bus) as service:
            (status,) = service.backends()
            assert not status.healthy
            assert "geheim" not in repr(service.backends()) + repr(settings(tmp_path, [url]))
            assert (status.name, status.depth, status.busy) == (one.name, 5, 0)


def test_the_settings_are_quick_only_in_tests(tmp_path: Path) -> None:
    fields = type(settings(tmp_path, ["comfyui+http://h"])).model_fields
    assert (fields["depth"].default, fields["lease_seconds"].default) == (2, 15.0)
    assert (fields["render_deadline"].default, fields["image_deadline"].default) == (900.0, 86_400.0)
