"""Files: names, cache, `/view` with its refusals, uploads."""

import hashlib
import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from tests.sandbox.comfyui.server import Json, Server, empty_image, images, portrait


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


async def test_an_empty_image_has_its_colour_size_and_graph(comfy: Server) -> None:
    graph = empty_image(0xFF8000)
    (image,) = images(await comfy.ran(graph))
    picture = opened((await comfy.view(image)).content)
    assert (picture.size, picture.getpixel((5, 5))) == ((64, 64), (255, 128, 0))
    assert json.loads(picture.info["prompt"]) == graph


async def test_names_count_on_from_the_highest_and_from_one_when_the_files_are_gone(
    comfy: Server, tmp_path: Path
) -> None:
    names = [images(await comfy.ran(empty_image(n)))[0]["filename"] for n in range(2)]
    assert names == ["abc_image_1_00001_.png", "abc_image_1_00002_.png"]
    (tmp_path / "output/batch/abc_image_1_00001_.png").unlink()
    assert images(await comfy.ran(empty_image(3)))[0]["filename"] == "abc_image_1_00003_.png"
    for file in (tmp_path / "output/batch").iterdir():
        file.unlink()
    assert images(await comfy.ran(empty_image(4)))[0]["filename"] == "abc_image_1_00001_.png"


async def test_an_identical_graph_runs_nothing_and_lists_the_old_file(comfy: Server, tmp_path: Path) -> None:
    first = await comfy.ran(empty_image())
    second = await comfy.ran(empty_image())
    assert images(second) == images(first)
    assert second["status"]["messages"][1][1]["nodes"] == ["1", "9"]
    assert (await comfy.stats())["executions"] == {"batch/abc_image_1": 1}
    (tmp_path / "output/batch/abc_image_1_00001_.png").unlink()
    third = await comfy.ran(empty_image())
    assert third["status"]["status_str"] == "success"
    assert (await comfy.view(images(third)[0])).status_code == 404


async def test_another_prefix_saves_again_from_the_cache_with_other_bytes(comfy: Server) -> None:
    first = images(await comfy.ran(portrait(prefix="a/one")))[0]
    entry = await comfy.ran(portrait(prefix="a/two"))
    assert set(entry["status"]["messages"][1][1]["nodes"]) == {"3", "4", "5", "6", "7", "8"}
    one, two = [(await comfy.view(image)).content for image in (first, images(entry)[0])]
    assert opened(one).tobytes() == opened(two).tobytes()
    assert hashlib.sha256(one).digest() != hashlib.sha256(two).digest()


async def test_freeing_memory_empties_the_cache(comfy: Server) -> None:
    await comfy.ran(empty_image())
    await comfy.http.post("/free", json={"unload_models": True, "free_memory": True})
    assert images(await comfy.ran(empty_image()))[0]["filename"] == "abc_image_1_00002_.png"


async def test_two_equal_outputs_list_one_file_twice(comfy: Server) -> None:
    graph = empty_image()
    entry = await comfy.ran({**graph, "10": graph["9"]})
    assert images(entry, "9") == images(entry, "10")


async def test_a_batch_and_a_preview_list_all_their_files(comfy: Server) -> None:
    graph = empty_image(batch_size=3, prefix="three")
    graph["10"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    entry = await comfy.ran(graph)
    assert [each["filename"] for each in images(entry)] == [f"three_0000{n}_.png" for n in (1, 2, 3)]
    assert {each["type"] for each in images(entry, "10")} == {"temp"}
    assert (await comfy.view(images(entry, "10")[0])).status_code == 200


async def test_pictures_follow_from_their_inputs_and_differ_by_seed(comfy: Server) -> None:
    async def pixels(graph: Json) -> bytes:
        await comfy.http.post("/free", json={"free_memory": True})
        return opened((await comfy.view(images(await comfy.ran(graph))[0])).content).tobytes()

    first = await pixels(portrait(1))
    assert await pixels(portrait(1)) == first
    others = [
        await pixels(portrait(2)),
        await pixels(portrait(1, text="other words")),
        await pixels(portrait(1, cfg=3)),
    ]
    assert len({first, *others}) == 4


async def test_an_embedding_counts_only_where_the_server_has_it(comfy: Server) -> None:
    async def pixels(text: str) -> bytes:
        return opened((await comfy.view(images(await comfy.ran(portrait(text=text)))[0])).content).tobytes()

    assert await pixels("fog, embedding:opal_fever") != await pixels("fog, ")
    assert await pixels("fog, embedding:unknown") == await pixels("fog, ")


@pytest.mark.parametrize("prefix", ["../outside", "/etc/abc", "x" * 260])
async def test_a_prefix_that_cannot_be_saved_is_an_execution_error(comfy: Server, prefix: str) -> None:
    entry = await comfy.ran(empty_image(prefix=prefix))
    assert entry["status"]["messages"][-1][0] == "execution_error"
    assert entry["outputs"] == {}


@pytest.mark.parametrize(
    ("prefix", "name"),
    [("", "._00001_.png"), ("w%width%", "w64_00001_.png"), ("%date:yyyy%", "%date:yyyy%_00001_.png")],
)
async def test_odd_prefixes_are_named_as_by_the_real_server(comfy: Server, prefix: str, name: str) -> None:
    assert images(await comfy.ran(empty_image(prefix=prefix)))[0]["filename"] == name


async def test_a_file_comes_with_its_length_etag_and_ranges(comfy: Server) -> None:
    (image,) = images(await comfy.ran(empty_image()))
    whole = await comfy.view(image)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "image/png")
    assert int(whole.headers["content-length"]) == len(whole.content)
    assert whole.headers["accept-ranges"] == "bytes"
    assert "last-modified" in whole.headers
    known = await comfy.http.get("/view", params=image, headers={"if-none-match": whole.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    part = await comfy.http.get("/api/view", params=image, headers={"range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, b"\x89PNG\r\n\x1a\n")
    head = await comfy.http.head("/view", params=image)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 404),
        ("filename=", 400),
        ("filename=/etc/passwd", 400),
        ("filename=..%2Fx.png", 400),
        ("filename=a..b.png", 400),
        ("filename=x.png&type=models", 400),
        ("filename=x.png&subfolder=..%2F..", 403),
        ("filename=x.png&subfolder=%2Fetc", 403),
        ("filename=nothing.png&subfolder=batch", 404),
        ("filename=abc_image_1_00001_.png", 404),
        ("filename=batch%2Fabc_image_1_00001_.png", 404),
        ("filename=abc_image_1_00001_.png&subfolder=batch&type=temp", 404),
        ("filename=nul%00.png", 404),
        (f"filename={'x' * 300}", 404),
    ],
)
async def test_what_view_does_not_give(comfy: Server, query: str, status: int) -> None:
    await comfy.ran(empty_image())
    for answer in (await comfy.http.get(f"/view?{query}"), await comfy.http.head(f"/view?{query}")):
        assert (answer.status_code, answer.content) == (status, b"")


async def test_a_preview_is_encoded_again(comfy: Server) -> None:
    (image,) = images(await comfy.ran(empty_image()))
    preview = await comfy.view({**image, "preview": "webp;50"})
    assert (preview.headers["content-type"], opened(preview.content).format) == ("image/webp", "WEBP")
    plain = await comfy.view({**image, "channel": "rgb"})
    assert opened(plain.content).info == {}


async def test_an_upload_keeps_a_different_file_of_the_same_name(comfy: Server) -> None:
    async def upload(content: bytes, **data: str) -> Json:
        answer = await comfy.http.post("/upload/image", files={"image": ("ref.png", content)}, data=data)
        assert answer.status_code == 200
        told: Json = answer.json()
        return told

    assert await upload(b"one") == {"name": "ref.png", "subfolder": "", "type": "input"}
    assert (await upload(b"one"))["name"] == "ref.png"
    assert (await upload(b"two"))["name"] == "ref (1).png"
    assert (await upload(b"three", overwrite="true"))["name"] == "ref.png"
    stored = await comfy.http.get("/view?filename=ref.png&type=input")
    assert stored.content == b"three"


async def test_an_upload_cannot_leave_its_folder(comfy: Server, tmp_path: Path) -> None:
    async def status(name: str, **data: str) -> int:
        files = {"image": (name, b"x")}
        return (await comfy.http.post("/upload/image", files=files, data=data)).status_code

    assert await status("x.png", subfolder="../..") == 400
    assert await status("../x.png") == 400
    assert await status("x.png", type="models") == 400
    assert (await comfy.http.post("/upload/image", data={"a": "b"})).status_code == 400
    assert sum(len(files) for _, _, files in os.walk(tmp_path)) == 0


async def test_an_uploaded_image_is_loaded_by_a_graph(comfy: Server) -> None:
    content = io.BytesIO()
    Image.new("RGB", (10, 20), (1, 2, 3)).save(content, "PNG")
    await comfy.http.post("/upload/image", files={"image": ("ref.png", content.getvalue())})
    graph = empty_image()
    graph["1"] = {"class_type": "LoadImage", "inputs": {"image": "ref.png"}}
    picture = opened((await comfy.view(images(await comfy.ran(graph))[0])).content)
    assert (picture.size, picture.getpixel((0, 0))) == ((10, 20), (1, 2, 3))
