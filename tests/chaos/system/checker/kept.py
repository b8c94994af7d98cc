"""Never overwritten: what was asked for at a number is what lies there, and nothing else was touched."""

import json
from collections import defaultdict

from tests.chaos.system.evidence import Asset, Evidence, Key


def stored(evidence: Evidence) -> list[str]:
    """Each image that is said to be stored is there, once, with its own bytes, and all books agree."""
    broken = []
    for key, image in evidence.images.items():
        if image["status"] not in ("succeeded", "placeholder"):
            continue
        match evidence.owned.get(key, []):
            case [asset]:
                broken += _disagreements(evidence, key, asset)
            case several:
                broken.append(f"{key} is {image['status']} and lies in {len(several)} assets")
    return broken


def deleted(evidence: Evidence) -> list[str]:
    """What was deleted is gone; what never came to be has left nothing."""
    return [
        f"{key} is {evidence.images[key]['status']}, and {assets[0].public_id} still lies there"
        for key, assets in evidence.owned.items()
        if key in evidence.images and evidence.images[key]["status"] not in ("succeeded", "placeholder")
    ]


def strays(evidence: Evidence) -> list[str]:
    """Everything in storage is somebody's."""
    known = {key for asked in evidence.asked for key in asked.keys}
    return [
        f"{asset.public_id} belongs to nobody"
        for asset in evidence.lying.values()
        if asset.owner not in known and asset.public_id not in evidence.foreign
    ]


def foreign(evidence: Evidence) -> list[str]:
    """What others have put there is as they put it."""
    return [
        f"{public_id} was somebody's own and is not what it was"
        for public_id, digest in evidence.foreign.items()
        if public_id not in evidence.lying
        or (evidence.lying[public_id].md5, evidence.lying[public_id].overwrites) != (digest, 0)
    ]


def overwrites(evidence: Evidence) -> list[str]:
    """Nothing gave way but a placeholder to its own image, once."""
    return [
        f"{asset.public_id} was overwritten {asset.overwrites} times, {_may(evidence, asset)} were allowed"
        for asset in evidence.lying.values()
        if asset.owner and asset.overwrites > _may(evidence, asset)
    ]


def twins(evidence: Evidence) -> list[str]:
    """No two images are the same picture. A placeholder says name, number and reason, which characters of the
    same name may have in common."""
    seen: dict[str, list[str]] = defaultdict(list)
    for asset in evidence.lying.values():
        if "placeholder" not in asset.tags:
            seen[asset.md5].append(asset.public_id)
    return [f"{public_ids} are one picture" for public_ids in seen.values() if len(public_ids) > 1]


def _disagreements(evidence: Evidence, key: Key, asset: Asset) -> list[str]:
    image, row = evidence.images[key], evidence.ledger.get(key, {})
    blank = image["status"] == "placeholder"
    shown = json.loads(image["placeholder" if blank else "picture"] or "{}")
    asked = evidence.by_id.get(key[0])
    name = f"{asked.folder}/{asked.stem}{image['idx']}" if asked else None
    sayings = {
        "its name": (asset.public_id, name),
        "readers": ((shown.get("public_id"), shown.get("md5")), (asset.public_id, asset.md5)),
        "the ledger": (
            (row.get("state"), row.get("public_id"), row.get("md5"), row.get("placeholder")),
            ("stored", asset.public_id, asset.md5, blank),
        ),
        "its number": (asset.context.get("index"), str(image["idx"])),
        "its tags": ("placeholder" in asset.tags, blank),
        "its graph": (_made_for(evidence, asset), None if blank else key),
    }
    return [
        f"{key} at {asset.public_id}: {what} says {said}, not {so}"
        for what, (said, so) in sayings.items()
        if said != so
    ]


def _made_for(evidence: Evidence, asset: Asset) -> Key | None:
    """Whose picture the bytes are, by the graph inside them or by the word of the worker that made them."""
    prefix = asset.made_for or evidence.pictures.get(asset.md5)
    made = evidence.image_of(prefix) if prefix else None
    return made[0] if made else None


def _may(evidence: Evidence, asset: Asset) -> int:
    """One, for a picture that came after a placeholder."""
    row = evidence.ledger.get(asset.owner, {}) if asset.owner else {}
    return 1 if row.get("placeholder_md5s") and "placeholder" not in asset.tags else 0
