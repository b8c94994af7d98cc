"""A checker that finds nothing must have looked: every kind of breach is planted and found."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import md5
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cli.demo.promises import Evidence, check

FOLDER = "Areg/characters/iron-lily/images"


def picture(name: str, seed: int) -> bytes:
    """A PNG with the graph that it was made by, as ComfyUI writes it."""
    graph = {"9": {"class_type": "SaveImage", "inputs": {"filename_prefix": f"bat_1/1/{name}"}}}
    text, data = PngInfo(), BytesIO()
    text.add_text("prompt", json.dumps(graph))
    Image.new("RGB", (8, 8), (seed, seed, seed)).save(data, "PNG", pnginfo=text)
    return data.getvalue()


def digest(data: bytes) -> str:
    return md5(data).hexdigest()


def name_of(index: int) -> str:
    return f"Areg_iron-lily_image_{index}"


def image(index: int, **more: Any) -> dict[str, Any]:
    data = picture(name_of(index), index)
    made = {
        "index": index,
        "name": name_of(index),
        "status": "succeeded",
        "url": f"http://storage/{index}",
        "hash": digest(data),
        "placeholder": False,
        "error": None,
    }
    return made | more


def asset(index: int, overwrites: int = 0) -> dict[str, Any]:
    public_id = f"{FOLDER}/{name_of(index)}"
    return {"public_id": public_id, "resource_type": "image", "etag": "", "overwrites": overwrites}


def mirror(text: str) -> dict[str, Any]:
    etag = digest(text.encode())
    return {
        "public_id": f"{FOLDER}/index.txt",
        "resource_type": "raw",
        "etag": etag,
        "overwrites": 3,
    }


def batch(images: Sequence[Mapping[str, Any]], quantity: int | None = None) -> dict[str, Any]:
    return {"id": "bat_1", "folder": FOLDER, "quantity": quantity or len(images), "images": list(images)}


@pytest.fixture
def honest() -> Evidence:
    """Three images and nothing wrong with them."""
    return Evidence(
        batches=[batch([image(1), image(2), image(3)])],
        delivered={f"http://storage/{index}": picture(name_of(index), index) for index in (1, 2, 3)},
        assets=[asset(1), asset(2), asset(3), mirror("4")],
        renders={f"bat_1/1/{name_of(index)}": 1 for index in (1, 2, 3)},
    )


def broken(evidence: Evidence) -> dict[str, Sequence[str]]:
    """Promise -> its breaches, of those that have any."""
    return {promise.name: promise.breaches for promise in check(evidence) if promise.breaches}


def with_images(evidence: Evidence, *images: Mapping[str, Any], quantity: int = 3) -> Evidence:
    return replace(evidence, batches=[batch(images, quantity)])


def test_honest_evidence_keeps_all_four_promises(honest: Evidence) -> None:
    assert broken(honest) == {}
    assert [promise.name for promise in check(honest)] == [
        "numbered once",
        "always ends",
        "never overwritten",
        "paid once",
    ]


def test_a_number_given_twice_is_found(honest: Evidence) -> None:
    planted = with_images(honest, image(1), image(2), image(2, name="other"))
    assert broken(planted)["numbered once"] == [f"{FOLDER} is numbered [1, 2, 2]"]


def test_a_gap_is_found(honest: Evidence) -> None:
    planted = with_images(honest, image(1), image(2), image(4, url=None))
    assert broken(planted)["numbered once"] == [f"{FOLDER} is numbered [1, 2, 4]"]


def test_a_number_given_twice_by_two_batches_is_found(honest: Evidence) -> None:
    planted = replace(honest, batches=[batch([image(1), image(2)]), batch([image(2)])])
    assert broken(planted)["numbered once"] == [f"{FOLDER} is numbered [1, 2, 2]"]


@pytest.mark.parametrize("text", ["3", "5", "", "4\n"])
def test_a_mirror_that_says_another_number_is_found(honest: Evidence, text: str) -> None:
    planted = replace(honest, assets=[asset(1), asset(2), asset(3), mirror(text)])
    assert broken(planted) == {"numbered once": [f"{FOLDER}/index.txt does not say 4"]}


def test_a_missing_mirror_is_found(honest: Evidence) -> None:
    planted = replace(honest, assets=[asset(1), asset(2), asset(3)])
    assert broken(planted) == {"numbered once": [f"{FOLDER}/index.txt does not say 4"]}


@pytest.mark.parametrize("status", ["queued", "running", "unknown"])
def test_an_image_without_an_end_is_found(honest: Evidence, status: str) -> None:
    planted = with_images(honest, image(1), image(2), image(3, status=status, url=None))
    assert broken(planted)["always ends"] == [f"{name_of(3)} is {status}"]


def test_an_image_that_nobody_speaks_of_is_found(honest: Evidence) -> None:
    planted = with_images(honest, image(1), image(2))
    assert broken(planted)["always ends"] == ["batch bat_1: 2 of 3 images are accounted for"]


@pytest.mark.parametrize("status", ["failed", "placeholder", "canceled"])
def test_an_image_that_failed_for_no_reason_is_found(honest: Evidence, status: str) -> None:
    planted = with_images(honest, image(1), image(2), image(3, status=status, placeholder=True))
    assert broken(planted) == {"always ends": [f"{name_of(3)} is {status} and does not say why"]}


def test_an_overwritten_asset_is_found_and_a_rewritten_mirror_is_none(honest: Evidence) -> None:
    planted = replace(honest, assets=[asset(1), asset(2, overwrites=2), asset(3), mirror("4")])
    assert broken(planted) == {"never overwritten": [f"{FOLDER}/{name_of(2)} was overwritten 2 times"]}


def test_other_bytes_than_reported_are_found(honest: Evidence) -> None:
    other = picture(name_of(2), 77)
    planted = replace(honest, delivered={**honest.delivered, "http://storage/2": other})
    said = f"{name_of(2)} was reported as {image(2)['hash']}, but its URL delivers {digest(other)}"
    assert broken(planted) == {"never overwritten": [said]}


def test_one_picture_at_two_numbers_is_found(honest: Evidence) -> None:
    """The newest file of the server, downloaded for every number."""
    newest = picture(name_of(3), 3)
    copies = [image(index, hash=digest(newest)) for index in (1, 2, 3)]
    delivered = {f"http://storage/{index}": newest for index in (1, 2, 3)}
    planted = replace(with_images(honest, *copies), delivered=delivered)
    assert broken(planted)["never overwritten"] == [
        f"what lies at {name_of(1)} was rendered for {name_of(3)}",
        f"{name_of(2)} and {name_of(1)} are the same picture",
        f"what lies at {name_of(2)} was rendered for {name_of(3)}",
        f"{name_of(3)} and {name_of(2)} are the same picture",
    ]


def test_two_images_at_each_others_numbers_are_found(honest: Evidence) -> None:
    one, two = picture(name_of(1), 1), picture(name_of(2), 2)
    swapped = [image(1, hash=digest(two)), image(2, hash=digest(one)), image(3)]
    delivered = {**honest.delivered, "http://storage/1": two, "http://storage/2": one}
    planted = replace(with_images(honest, *swapped), delivered=delivered)
    assert broken(planted)["never overwritten"] == [
        f"what lies at {name_of(1)} was rendered for {name_of(2)}",
        f"what lies at {name_of(2)} was rendered for {name_of(1)}",
    ]


def test_an_image_rendered_twice_is_found(honest: Evidence) -> None:
    prefix = f"bat_1/1/{name_of(2)}"
    planted = replace(honest, renders={**honest.renders, prefix: 2})
    assert broken(planted) == {"paid once": [f"{prefix} was rendered 2 times"]}


def test_an_image_that_no_backend_rendered_is_found(honest: Evidence) -> None:
    planted = replace(honest, renders={f"bat_1/1/{name_of(index)}": 1 for index in (1, 3)})
    assert broken(planted) == {"paid once": [f"{name_of(2)} was rendered by nobody"]}
