"""worker-comfyui's answers: what counts as success, how errors are worded, where images go."""

import io
import json
import time
from pathlib import Path

import httpx
import pytest
from PIL import Image

from sandbox.runpod import Settings
from tests.sandbox.comfyui.server import Json, empty_image, portrait
from tests.sandbox.runpod.cloud import Cloud, decoded, eventually, running


def with_second_output(node_class: str, **inputs: object) -> Json:
    """The smallest graph, and another output beside it."""
    return {**empty_image(), "10": {"class_type": node_class, "inputs": {"images": ["1", 0], **inputs}}}


async def test_the_subfolder_is_dropped_and_the_files_carry_no_graph(cloud: Cloud) -> None:
    (image,) = (await cloud.ran(empty_image(prefix="deep/er/w")))["output"]["images"]
    assert (image["filename"], set(image)) == ("w_00001_.png", {"filename", "type", "data"})
    assert Image.open(io.BytesIO(decoded(image))).info == {}


async def test_equal_pixels_are_equal_bytes_whatever_their_name(cloud: Cloud) -> None:
    first = (await cloud.ran(empty_image(prefix="a")))["output"]["images"][0]
    second = (await cloud.ran(empty_image(prefix="b")))["output"]["images"][0]
    assert (first["data"], first["filename"]) == (second["data"], "a_00001_.png")


async def test_an_image_and_an_error_are_completed_with_both(cloud: Cloud) -> None:
    await cloud.fault("node_error", node_type="PreviewImage")
    told = await cloud.ran(with_second_output("PreviewImage"))
    assert told["status"] == "COMPLETED"
    assert len(told["output"]["images"]) == 1
    assert told["output"]["errors"] == [
        "Workflow execution error: Node Type: PreviewImage, Node ID: 10, Message: boom\n"
    ]


async def test_an_output_that_validation_refuses_is_silently_missing(cloud: Cloud) -> None:
    graph = with_second_output("SaveImage")  # without its filename_prefix
    told = await cloud.ran(graph)
    assert (told["status"], set(told["output"])) == ("COMPLETED", {"images"})
    assert len(told["output"]["images"]) == 1


async def test_temporary_images_are_no_images(cloud: Cloud) -> None:
    graph = {**empty_image(), "9": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
    told = await cloud.ran(graph)
    assert (told["status"], told["output"]) == ("COMPLETED", {"status": "success_no_images", "images": []})


async def test_a_failed_graph_without_an_image_has_failed_with_details(cloud: Cloud) -> None:
    await cloud.fault("node_error", node_type="EmptyImage", message="boom\n")
    told = await cloud.ran(empty_image())
    assert (told["status"], told["error"]) == ("FAILED", "Job processing failed")
    (detail,) = told["output"]["details"]
    assert detail == "Workflow execution error: Node Type: EmptyImage, Node ID: 1, Message: boom\n"


async def test_a_worker_that_looks_too_early_loses_even_the_image_that_was_saved(cloud: Cloud) -> None:
    await cloud.fault("history_missed")
    assert (await cloud.ran(empty_image()))["status"] == "COMPLETED"
    await cloud.fault("node_error", node_type="PreviewImage")
    told = await cloud.ran(with_second_output("PreviewImage"))
    assert (told["status"], "images" in told["output"]) == ("FAILED", False)
    assert told["error"] == "Job processing failed, prompt ID not found in history."
    failed, missed = told["output"]["details"]
    assert failed.startswith("Workflow execution error: ")
    assert missed.endswith("not found in history after execution.")


async def test_out_of_memory_is_known_by_its_message_alone(cloud: Cloud) -> None:
    await cloud.fault("out_of_memory")
    told = await cloud.ran(portrait())
    assert told["status"] == "FAILED"
    assert "out of memory" in told["output"]["details"][0]
    assert "OutOfMemoryError" not in json.dumps(told)


async def test_a_cloud_may_lose_the_details(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, keeps_failure_details=False)) as cloud:
        await cloud.fault("node_error")
        told = await cloud.ran(empty_image())
    assert (told["status"], told["error"], "output" in told) == ("FAILED", "Job processing failed", False)


async def test_a_refused_graph_is_worded_by_node(cloud: Cloud) -> None:
    told = await cloud.ran(empty_image(width="abc"))
    assert (told["status"], "output" in told) == ("FAILED", False)
    first, *others = told["error"].splitlines()
    assert first == "Workflow validation failed:"
    assert others[0].startswith("• Node 1 (errors): [{'type': 'invalid_input_type'")
    assert others[1:] == ["• Node 1 (dependent_outputs): ['9']", "• Node 1 (class_type): EmptyImage"]


async def test_a_missing_checkpoint_is_answered_with_those_that_are_there(cloud: Cloud) -> None:
    graph = portrait()
    graph["4"]["inputs"]["ckpt_name"] = "nope.safetensors"
    told = await cloud.ran(graph)
    assert "'nope.safetensors' not in ['sd_xl_base_1.0.safetensors']" in told["error"]
    assert told["error"].endswith("Available checkpoint models: sd_xl_base_1.0.safetensors")


async def test_an_unknown_node_comes_with_the_raw_response(cloud: Cloud) -> None:
    told = await cloud.ran({"1": {"class_type": "NoSuchNode", "inputs": {}}})
    message, _, raw = told["error"].partition(" Raw response: ")
    assert message == "Node 'NoSuchNode' not found. The custom node may not be installed.."
    assert json.loads(raw)["error"]["type"] == "missing_node_type"


async def test_a_graph_in_the_web_pages_format_is_a_500_of_comfyui(cloud: Cloud) -> None:
    told = await cloud.ran({"nodes": [], "links": []})
    assert told["status"] == "FAILED"
    assert "500 Server Error" in told["error"]


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (None, "Please provide input"),
        ("no json", "Invalid JSON format in input"),
        ({}, "Missing 'workflow' parameter"),
        (
            {"workflow": empty_image(), "images": [{"name": "a.png"}]},
            "'images' must be a list of objects with 'name' and 'image' keys",
        ),
    ],
)
async def test_an_input_that_is_no_job_fails_with_its_reason(cloud: Cloud, told: object, error: str) -> None:
    answer = await cloud.post("/run", {"input": told})
    assert (await cloud.ended(answer.json()["id"]))["error"] == error


async def test_input_images_come_as_base64_or_data_uri(cloud: Cloud) -> None:
    (image,) = (await cloud.ran(empty_image(0x00FF00)))["output"]["images"]
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "ref.png"}},
        "9": empty_image()["9"],
    }
    for data in (image["data"], f"data:image/png;base64,{image['data']}"):
        told = await cloud.ran(graph, beside={"images": [{"name": "ref.png", "image": data}]})
        assert told["output"]["images"][0]["data"]
    bad = await cloud.ran(graph, beside={"images": [{"name": "ref.png", "image": "A"}]})
    assert bad["error"] == "Failed to upload one or more input images"
    assert bad["output"]["details"][0].startswith("Error decoding base64 for ref.png")


async def test_a_result_that_is_too_large_is_lost_and_the_job_completed(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, max_result_bytes=100)) as cloud:
        told = await cloud.ran(empty_image())
    assert (told["status"], "output" in told, "error" in told) == ("COMPLETED", False, False)


async def test_each_worker_has_a_disk_and_a_cache_of_its_own(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, max_workers=1, idle_seconds=0.05)) as cloud:
        first = (await cloud.ran(empty_image()))["output"]["images"][0]["filename"]
        again = await cloud.ran(empty_image())
        assert (await cloud.stats())["executions"] == {"batch/abc_image_1": 1}
        assert again["output"]["images"][0]["filename"] == first

        async def left() -> bool:
            return not (await cloud.health())["workers"]["idle"]

        await eventually(left)
        other = await cloud.ran(empty_image())
        assert other["output"]["images"][0]["filename"] == first
        assert other["workerId"] != again["workerId"]
        assert (await cloud.stats())["executions"] == {"batch/abc_image_1": 2}


async def test_a_bucket_holds_images_under_presigned_urls(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, bucket=True)) as cloud, httpx.AsyncClient() as http:
        job = await cloud.run(empty_image(0x0000FF, "batch/s3_1"))
        (image,) = (await cloud.ended(job))["output"]["images"]
        assert (image["filename"], image["type"]) == ("s3_1_00001_.png", "s3_url")
        url = httpx.URL(image["data"])
        month, owner, name = url.path.removeprefix("/bucket/").split("/")
        assert (month, owner, len(name)) == (time.strftime("%m-%y", time.gmtime()), job, 12)
        answer = await http.get(url)
        assert answer.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(answer.content)).getpixel((0, 0)) == (0, 0, 255)
        forged = await http.get(url.copy_merge_params({"X-Amz-Expires": "9999999"}))
        assert (forged.status_code, "SignatureDoesNotMatch" in forged.text) == (403, True)
        assert (await http.get(url.copy_with(query=None))).status_code == 403
        assert (await http.get(url, headers={"authorization": "Bearer x"})).status_code == 400


async def test_a_presigned_url_expires(tmp_path: Path) -> None:
    settings = Settings(files=tmp_path, bucket=True, presigned_seconds=1)
    async with running(settings) as cloud, httpx.AsyncClient() as http:
        (image,) = (await cloud.ran(empty_image()))["output"]["images"]

        async def expired() -> bool:
            answer = await http.get(image["data"])
            assert answer.status_code == 200 or "has expired" in answer.text
            return answer.status_code == 403

        await eventually(expired)
