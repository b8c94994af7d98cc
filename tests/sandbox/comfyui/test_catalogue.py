"""What the server says that it offers, and the login before it."""

import base64
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from websockets.exceptions import InvalidStatus

from sandbox.comfyui import Login, Settings
from tests.sandbox.comfyui.server import Server, empty_image, message, running


async def test_embeddings_are_named_without_extension(comfy: Server) -> None:
    assert (await comfy.http.get("/embeddings")).json() == ["opal_fever"]


async def test_models_are_listed_by_folder_and_an_unknown_folder_is_404(comfy: Server) -> None:
    assert (await comfy.http.get("/models/checkpoints")).json() == ["sd_xl_base_1.0.safetensors"]
    assert (await comfy.http.get("/api/models/embeddings")).json() == ["opal_fever.safetensors"]
    assert "checkpoints" in (await comfy.http.get("/models")).json()
    assert (await comfy.http.get("/models/nothing")).status_code == 404


async def test_a_node_class_is_described_and_an_unknown_one_is_empty(comfy: Server) -> None:
    (save,) = (await comfy.http.get("/object_info/SaveImage")).json().values()
    assert save["input"]["required"]["images"][0] == "IMAGE"
    assert save["input"]["required"]["filename_prefix"][1]["default"] == "ComfyUI"
    assert save["input_order"]["required"] == ["images", "filename_prefix"]
    assert (save["output"], save["output_node"]) == ([], True)
    unknown = await comfy.http.get("/object_info/NoSuchNode")
    assert (unknown.status_code, unknown.json()) == (200, {})


async def test_all_node_classes_are_described_with_the_choices_of_this_server(comfy: Server) -> None:
    everything = (await comfy.http.get("/object_info")).json()
    loader = everything["CheckpointLoaderSimple"]["input"]["required"]
    assert loader["ckpt_name"] == [["sd_xl_base_1.0.safetensors"]]
    assert everything["KSampler"]["input"]["required"]["seed"][0] == "INT"
    assert everything["KSampler"]["output"] == ["LATENT"]


async def test_the_system_tells_its_version_and_its_gpu(comfy: Server) -> None:
    stats = (await comfy.http.get("/system_stats")).json()
    assert stats["system"]["comfyui_version"] == "0.33.0"
    assert {"name", "type", "index", "vram_total", "vram_free"} <= set(stats["devices"][0])
    assert (await comfy.http.get("/features")).json()["max_upload_size"] == 104857600


async def test_the_web_page_is_there(comfy: Server) -> None:
    answer = await comfy.http.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")


TOKEN = Login(token=SecretStr("key"))
BASIC = Login(username="user", password=SecretStr("word"))


@pytest.mark.parametrize(
    ("login", "request_parts", "status"),
    [
        (TOKEN, {}, 302),
        (TOKEN, {"headers": {"authorization": "Bearer key"}}, 200),
        (TOKEN, {"headers": {"authorization": "Bearer other"}}, 302),
        (TOKEN, {"params": {"token": "key"}}, 200),
        (TOKEN, {"params": {"token": ""}}, 302),
        (BASIC, {"auth": ("user", "word")}, 200),
        (BASIC, {}, 401),
        (BASIC, {"auth": ("user", "other")}, 401),
        (BASIC, {"headers": {"authorization": "Bearer word"}}, 401),
    ],
)
async def test_a_login_opens_or_answers_with_an_html_page(
    tmp_path: Path, login: Login, request_parts: dict[str, object], status: int
) -> None:
    async with running(Settings(files=tmp_path, login=login)) as comfy:
        answer = await comfy.http.request("GET", "/queue", **request_parts)  # type: ignore[arg-type]
        assert answer.status_code == status
        page = await comfy.http.get("/prompt", follow_redirects=True)
        assert page.headers["content-type"].startswith("text/html")


async def test_a_basic_login_says_so_to_the_websocket_too(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, login=BASIC)) as comfy:
        assert (await comfy.http.get("/queue")).headers["www-authenticate"].startswith("Basic ")
        with pytest.raises(InvalidStatus) as refused:
            await comfy.listen()
        assert refused.value.response.status_code == 401
        known = {"Authorization": f"Basic {base64.b64encode(b'user:word').decode()}"}
        assert (await message(await comfy.listen(additional_headers=known)))["type"] == "status"


async def test_the_login_guards_the_websocket_too(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, login=TOKEN)) as comfy:
        with pytest.raises(InvalidStatus) as refused:
            await comfy.listen()
        # The client follows the redirect, so its user meets the login page.
        assert refused.value.response.status_code == 200
        assert refused.value.response.headers["content-type"].startswith("text/html")
        socket = await comfy.listen(additional_headers={"Authorization": "Bearer key"})
        assert (await message(socket))["type"] == "status"
        by_query = await comfy.listen("c2&token=key")
        assert (await message(by_query))["type"] == "status"


async def test_a_login_keeps_prompts_out(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, login=TOKEN)) as comfy:
        answer: httpx.Response = await comfy.http.post("/prompt", json={"prompt": empty_image()})
        assert answer.status_code == 302
        assert (await comfy.stats())["accepted"] == 0
