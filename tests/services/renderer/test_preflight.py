"""Before anything is paid for: an image goes to a backend that has what it needs, or says what is missing."""

import json
from pathlib import Path
from typing import Any

from tests.services.renderer.backends import backend
from tests.services.renderer.requests import reserved
from tests.services.renderer.stage import WORKFLOWS, stage


def portrait(batch_id: str, checkpoint: str, **wishes: Any) -> Any:
    parameters = {"steps": 2, "checkpoint": checkpoint}
    return reserved(batch_id, workflow="portrait", parameters=parameters, **wishes)


async def test_images_go_to_the_backends_that_have_their_model(tmp_path: Path) -> None:
    async with (
        backend(tmp_path / "a", checkpoints=("plain.safetensors",)) as plain,
        backend(tmp_path / "b", checkpoints=("plain.safetensors", "rare.safetensors")) as rich,
        stage(tmp_path, plain.renderer_url, rich.renderer_url) as heard,
    ):
        await heard.bus.publish(portrait("rare", "rare.safetensors", quantity=6))
        await heard.until(lambda: len(heard.ready) == 6)
        await heard.bus.publish(portrait("plain", "plain.safetensors", quantity=6))
        await heard.until(lambda: len(heard.ready) == 12)
    made = {(image.batch_id, image.backend) for image in heard.ready}
    assert made == {("rare", rich.name), ("plain", plain.name), ("plain", rich.name)}


async def test_a_model_that_nobody_has_fails_the_image_before_anything_is_sent(tmp_path: Path) -> None:
    async with (
        backend(tmp_path / "a") as one,
        backend(tmp_path / "b") as two,
        stage(tmp_path, one.renderer_url, two.renderer_url) as heard,
    ):
        await heard.bus.publish(portrait("b1", "none.safetensors", quantity=3))
        await heard.ended(3)
        assert [(await each.stats())["accepted"] for each in (one, two)] == [0, 0]
    assert {(each.code, each.retryable) for each in heard.failed} == {("missing_model", True)}
    detail = heard.failed[0].detail
    assert "node 4 (CheckpointLoaderSimple): the backend does not have 'none.safetensors'" in detail
    assert "sd_xl_base_1.0.safetensors" in detail


async def test_a_node_that_nobody_has_fails_the_image_before_anything_is_sent(tmp_path: Path) -> None:
    folder = tmp_path / "workflows" / "exotic"
    folder.mkdir(parents=True)
    graph = json.loads((WORKFLOWS / "colour-card" / "graph.json").read_text())
    graph["2"] = {"class_type": "FaceDetailer", "inputs": {"image": ["1", 0]}}
    graph["9"]["inputs"]["images"] = ["2", 0]
    (folder / "graph.json").write_text(json.dumps(graph))
    (folder / "inputs.toml").write_text((WORKFLOWS / "colour-card" / "inputs.toml").read_text())
    async with (
        backend(tmp_path / "a") as one,
        stage(tmp_path, one.renderer_url, workflows_dir=tmp_path / "workflows") as heard,
    ):
        await heard.bus.publish(reserved(workflow="exotic"))
        await heard.ended(1)
        assert (await one.stats())["accepted"] == 0
    (failed,) = heard.failed
    assert failed.code == "missing_node"
    assert "'FaceDetailer'; install the custom node" in failed.detail


async def test_an_image_waits_for_the_one_backend_that_has_its_model_and_nobody_waits_behind_it(
    tmp_path: Path,
) -> None:
    async with backend(tmp_path / "b", checkpoints=("rare.safetensors",)) as rich:
        async with (
            backend(tmp_path / "a", checkpoints=("plain.safetensors",)) as plain,
            stage(tmp_path, plain.renderer_url, rich.renderer_url, depth=1) as heard,
        ):
            await heard.bus.publish(portrait("first", "rare.safetensors"))
            await heard.ended(1)
            await rich.fault("http_error", route="/", status=502, times=None)
            await heard.bus.publish(portrait("rare", "rare.safetensors", quantity=20))
            await heard.bus.publish(portrait("plain", "plain.safetensors", quantity=3))
            await heard.bus.publish(portrait("other", "plain.safetensors", quantity=3, username="Berta"))
            await heard.until(lambda: len(heard.ready) >= 7)
            assert {image.batch_id for image in heard.ready} == {"first", "plain", "other"}
            assert heard.failed == []
            await rich.heal()
            await heard.until(lambda: len(heard.ready) == 27)
        assert heard.failed == []


async def test_what_a_backend_refuses_although_it_seemed_to_have_it_goes_elsewhere(tmp_path: Path) -> None:
    """One whose nodes cannot describe themselves, say: what it lacks comes out when it is asked to render."""
    async with (
        backend(tmp_path / "a", checkpoints=()) as silent,
        backend(tmp_path / "b", checkpoints=("rare.safetensors",)) as sound,
    ):
        await silent.fault("http_error", route="/object_info", status=500, times=None)
        async with stage(tmp_path, silent.renderer_url, sound.renderer_url) as heard:
            await heard.bus.publish(portrait("b1", "rare.safetensors", quantity=6))
            await heard.until(lambda: len(heard.ready) == 6)
        assert heard.failed == []
        assert {image.backend for image in heard.ready} == {sound.name}


async def test_what_a_backend_refuses_and_nobody_else_has_fails(tmp_path: Path) -> None:
    async with backend(tmp_path / "a", checkpoints=()) as one:
        await one.fault("http_error", route="/object_info", status=500, times=None)
        async with stage(tmp_path, one.renderer_url) as heard:
            await heard.bus.publish(portrait("b1", "rare.safetensors"))
            await heard.ended(1)
    assert heard.ends() == {(0, 1): "missing_model"}
