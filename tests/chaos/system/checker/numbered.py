"""Numbered once: every image of a folder has a number of its own, given by one block or one move."""

import re
from collections import defaultdict

from tests.chaos.system.evidence import Evidence, Key

NUMBER = re.compile(r"_image_0*([0-9]+)$")


def reservations(evidence: Evidence) -> list[str]:
    """Every accepted batch has one block, of its size and in its folder; nobody else has one."""
    wanted = {asked.batch_id: (asked.folder, asked.quantity) for asked in evidence.asked}
    rows = evidence.tables["indexer.reservations"]
    found = {row["batch_id"]: (row["folder"], row["quantity"]) for row in rows}
    return [
        f"{each} was accepted as {wanted.get(each)}, and numbered as {found.get(each)}"
        for each in sorted(wanted.keys() | found.keys())
        if wanted.get(each) != found.get(each)
    ]


def repetitions(evidence: Evidence) -> list[str]:
    """No number is given twice, and readers see each image at the last number that it was given."""
    broken = [
        f"number {number} of {folder} was given to {holders}"
        for folder, numbers in _holders(evidence).items()
        for number, holders in numbers.items()
        if len(holders) > 1
    ]
    return broken + [
        f"{key} was given {given}, and readers see it at {image['idx']}"
        for key, image in evidence.images.items()
        if (given := evidence.numbers.get(key, [])) and image["idx"] != given[-1]
    ]


def gaps(evidence: Evidence) -> list[str]:
    """Numbers go up to the counter without a gap, but for those that others had taken or jumped over."""
    broken = []
    for counter in evidence.tables["indexer.counters"]:
        folder, following = counter["folder"], counter["next_index"]
        held = set(_holders(evidence).get(folder, {}))
        taken = max((_number(each) for each in evidence.foreign if _folder(each) == folder), default=0)
        missing = set(range(1, following)) - held
        broken += [f"number {each} of {folder} is nobody's" for each in sorted(missing) if each > taken]
        broken += [f"number {each} of {folder} is above its counter" for each in held if each >= following]
    return broken


def mirrors(evidence: Evidence) -> list[str]:
    """index.txt of every folder says the counter's number."""
    texts = {asset.public_id: asset.text for asset in evidence.assets if asset.kind == "raw"}
    return [
        f"{folder}/index.txt says {said}, the counter {counter['next_index']}"
        for counter in evidence.tables["indexer.counters"]
        if (said := texts.get(f"{(folder := counter['folder'])}/index.txt")) != str(counter["next_index"])
    ]


def _holders(evidence: Evidence) -> dict[str, dict[int, list[Key]]]:
    """Folder -> number -> every image that it was ever given to."""
    holders: dict[str, dict[int, list[Key]]] = defaultdict(lambda: defaultdict(list))
    folders = {row["batch_id"]: row["folder"] for row in evidence.tables["indexer.reservations"]}
    for key, numbers in evidence.numbers.items():
        for number in numbers:
            holders[folders.get(key[0], "nowhere")][number].append(key)
    return holders


def _number(public_id: str) -> int:
    found = NUMBER.search(public_id)
    return int(found[1]) if found else 0


def _folder(public_id: str) -> str:
    return public_id.rpartition("/")[0]
