"""The four promises, checked from outside: from the answers of the API, the bytes that its URLs deliver, and
what storage and backends themselves counted. Pure: everything was fetched before."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5
from io import BytesIO
from typing import Any

from PIL import Image

from contracts import names


@dataclass(frozen=True)
class Evidence:
    """What was seen when every batch had ended."""

    batches: Sequence[Mapping[str, Any]]
    #: URL -> the bytes that it delivered.
    delivered: Mapping[str, bytes]
    #: The storage's own list of its assets.
    assets: Sequence[Mapping[str, Any]]
    #: filename_prefix -> how often a backend rendered it, over all backends.
    renders: Mapping[str, int]
    #: MD5 -> image name, of pictures that do not tell it themselves, such as those of serverless workers.
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Promise:
    """A promise and what breaks it; nothing means that it holds."""

    name: str
    breaches: Sequence[str]


def check(evidence: Evidence) -> list[Promise]:
    return [
        Promise("numbered once", numbered_once(evidence)),
        Promise("always ends", always_ends(evidence)),
        Promise("never overwritten", never_overwritten(evidence)),
        Promise("paid once", paid_once(evidence)),
    ]


def numbered_once(evidence: Evidence) -> list[str]:
    """Every folder is numbered 1..n without a gap or a repetition, and its index.txt says n + 1."""
    taken: dict[str, list[int]] = defaultdict(list)
    for batch in evidence.batches:
        taken[batch["folder"]] += [image["index"] for image in batch["images"]]
    breaches = [
        f"{folder} is numbered {sorted(indexes)}"
        for folder, indexes in taken.items()
        if sorted(indexes) != list(range(1, len(indexes) + 1))
    ]
    mirrors = {
        asset["public_id"]: asset["etag"] for asset in evidence.assets if asset["resource_type"] == "raw"
    }
    for folder, indexes in taken.items():
        expected = str(len(indexes) + 1).encode()
        if mirrors.get(names.index_file(folder)) != md5(expected, usedforsecurity=False).hexdigest():
            breaches.append(f"{folder}/index.txt does not say {expected.decode()}")
    return breaches


def always_ends(evidence: Evidence) -> list[str]:
    """Every number of every batch is an image, a placeholder that says why, or a recorded failure."""
    breaches = []
    for batch in evidence.batches:
        images = batch["images"]
        if len(images) != batch["quantity"]:
            breaches.append(
                f"batch {batch['id']}: {len(images)} of {batch['quantity']} images are accounted for"
            )
        for image in images:
            if image["status"] not in ("succeeded", "placeholder", "failed", "canceled"):
                breaches.append(f"{image['name']} is {image['status']}")
            elif image["status"] != "succeeded" and not image["error"]:
                breaches.append(f"{image['name']} is {image['status']} and does not say why")
    return breaches


def never_overwritten(evidence: Evidence) -> list[str]:
    """What the API says lies at an index is what its URL delivers, made for that very index; nothing was
    ever replaced."""
    breaches = [
        f"{asset['public_id']} was overwritten {asset['overwrites']} times"
        for asset in evidence.assets
        if asset["resource_type"] == "image" and asset["overwrites"]
    ]
    seen: dict[str, str] = {}
    for image in _stored(evidence):
        data = evidence.delivered[image["url"]]
        digest = md5(data, usedforsecurity=False).hexdigest()
        if digest != image["hash"]:
            breaches.append(f"{image['name']} was reported as {image['hash']}, but its URL delivers {digest}")
        if other := seen.get(digest):
            breaches.append(f"{image['name']} and {other} are the same picture")
        seen[digest] = image["name"]
        if (
            not image["placeholder"]
            and (made_for := _made_for(data) or evidence.names.get(digest)) != image["name"]
        ):
            breaches.append(f"what lies at {image['name']} was rendered for {made_for}")
    return breaches


def paid_once(evidence: Evidence) -> list[str]:
    """No backend rendered an image twice, and every image was rendered by one."""
    breaches = [
        f"{prefix} was rendered {count} times" for prefix, count in evidence.renders.items() if count > 1
    ]
    rendered = {prefix.rpartition("/")[2] for prefix in evidence.renders}
    breaches += [
        f"{image['name']} was rendered by nobody"
        for image in _stored(evidence)
        if not image["placeholder"] and image["name"] not in rendered
    ]
    return breaches


def _stored(evidence: Evidence) -> list[Mapping[str, Any]]:
    return [image for batch in evidence.batches for image in batch["images"] if image["url"]]


def _made_for(data: bytes) -> str | None:
    """The image name in the graph that ComfyUI writes into its PNG files."""
    with Image.open(BytesIO(data)) as picture:
        graph = json.loads(picture.info.get("prompt", "{}"))
    prefixes = [
        node["inputs"]["filename_prefix"] for node in graph.values() if "filename_prefix" in node["inputs"]
    ]
    return prefixes[0].rpartition("/")[2] if prefixes else None
