"""The four promises and the read model, checked by somebody who trusts neither services nor bus."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cli.demo.promises import Evidence, check
from contracts import names
from tests.journeys.around import Around

Batch = Mapping[str, Any]


async def gathered(around: Around, batches: Sequence[Batch]) -> Evidence:
    """Everything that can be seen from outside once all batches have ended and every mirror was written."""
    for folder, count in _sizes(batches).items():
        await around.mirrored(folder, count + 1)
    urls = [image["url"] for image in _images(batches) if image["url"]]
    answers = await asyncio.gather(*map(around.client.get, urls))
    delivered = {url: answer.raise_for_status().content for url, answer in zip(urls, answers, strict=True)}
    pictures = [backend.get("pictures", {}) for backend in await around.backends()]
    made_for = {digest: prefix.rpartition("/")[2] for known in pictures for digest, prefix in known.items()}
    return Evidence(batches, delivered, await around.assets(), await around.renders(), made_for)


def breaches(evidence: Evidence, replaced: Collection[str] = (), foreign: Collection[str] = ()) -> list[str]:
    """What is broken. `replaced` are the public ids whose placeholder gave way to an image, each exactly
    once; `foreign` those that nobody of ours has put into storage."""
    seen = replace(evidence, assets=[_expected(asset, replaced) for asset in evidence.assets])
    broken = [breach for promise in check(seen) for breach in promise.breaches]
    return broken + _differing(evidence, foreign) + _misplaced(evidence)


def taken_before(folder: str, index: int) -> Batch:
    """What lay at a number before anybody asked, in the shape of a batch: the number is not free."""
    image = {"index": index, "status": "succeeded", "url": None, "public_id": None, "error": None, "name": ""}
    return {"id": "nobody's", "folder": folder, "quantity": 1, "images": [image]}


def _images(batches: Sequence[Batch]) -> list[Mapping[str, Any]]:
    return [image for batch in batches for image in batch["images"]]


def _sizes(batches: Sequence[Batch]) -> dict[str, int]:
    folders = {batch["folder"] for batch in batches}
    return {
        folder: sum(batch["quantity"] for batch in batches if batch["folder"] == folder) for folder in folders
    }


def _expected(asset: Mapping[str, Any], replaced: Collection[str]) -> Mapping[str, Any]:
    once = asset["public_id"] in replaced
    return {**asset, "overwrites": abs(asset["overwrites"] - 1) if once else asset["overwrites"]}


def _differing(evidence: Evidence, foreign: Collection[str]) -> list[str]:
    """The read model and the storage list the same images with the same bytes."""
    read = {image["public_id"]: image["hash"] for image in _images(evidence.batches) if image["public_id"]}
    lying = {
        asset["public_id"]: asset["etag"]
        for asset in evidence.assets
        if asset["resource_type"] == "image" and asset["public_id"] not in foreign
    }
    return [
        f"{public_id} is {read.get(public_id)} to readers and {lying.get(public_id)} in storage"
        for public_id in sorted(read.keys() | lying.keys())
        if read.get(public_id) != lying.get(public_id)
    ]


def _misplaced(evidence: Evidence) -> list[str]:
    """Every asset says of itself what the read model says of it, and lies in the folder of its batch."""
    contexts = {asset["public_id"]: asset["context"] for asset in evidence.assets}
    broken = []
    for batch in evidence.batches:
        for image in batch["images"]:
            if not image["public_id"]:
                continue
            place = names.parse_public_id(image["public_id"])
            context = contexts.get(image["public_id"], {})
            says = (context.get("batch"), context.get("ordinal"), place and place.index)
            if says != (batch["id"], str(image["ordinal"]), image["index"]):
                broken.append(f"{image['public_id']} was stored for {says}")
            if not image["public_id"].startswith(f"{batch['folder']}/"):
                broken.append(f"{image['public_id']} lies outside of {batch['folder']}")
    return broken
