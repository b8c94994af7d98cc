"""What must be true after every step, and what must be true in the end; read from outside."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.gateway.domain.images import ENDED, GONE, ImageState
from tests.chaos.model.plant import Ground
from tests.chaos.model.world import World, folders


def breaches(ground: Ground) -> list[str]:
    """Of the promises that hold at every moment."""
    return [
        *ground.post.numbers.breaches,
        *ground.cupboard.breaches,
        *_renders_paid_twice(ground),
        *_gaps(ground),
    ]


def unfinished(world: World) -> list[str]:
    """What is not as it must be once everything is healed and nothing is left to do."""
    ground = world.ground
    found = [f"dead letter in {one.queue.name}: {one.envelope.last_error}" for one in ground.post.dead]
    shown: set[str] = set()
    for batch_id in world.asked:
        images = world.images(batch_id)
        if images is None and batch_id not in world.accepted:
            continue  # whoever took it died before he kept it, and nobody was told that it was accepted
        images = images or []
        quantity = ground.post.numbers.blocks.get(batch_id, ("", 0, 0))[2]
        if len(images) != quantity or not images:
            found.append(f"{batch_id} has {len(images)} images of {quantity}")
        found += [f"{batch_id}/{one.ordinal} {wrong}" for one in images for wrong in _wrong(one, ground)]
        shown |= {one.asset.public_id for one in images if one.asset}
    ours = {name: asset.image for name, asset in ground.cupboard.assets.items() if asset.image}
    found += [f"{name} of {ours[name]} lies there and nobody shows it" for name in ours.keys() - shown]
    return found + _mirrors_behind(ground)


def _wrong(image: ImageState, ground: Ground) -> Iterator[str]:
    if image.status not in ENDED:
        yield f"never ended: it is {image.status} in round {image.round}"
    if image.asset is None:
        return
    name = image.asset.public_id
    lying = ground.cupboard.assets.get(name)
    if image.status in GONE:
        if lying is not None:
            yield f"is deleted, and {lying.image} lies at {name}"
        return
    if lying is None or lying.image != (image.batch_id, image.ordinal):
        yield f"is {image.status}, but {lying and lying.image} lies at {name}"
    elif lying.md5 != image.asset.md5 or image.asset.placeholder != lying.is_placeholder:
        yield f"is {image.status}, but other bytes lie at {name}"
    if image.index != image.asset.index:
        yield f"is shown at {image.index} and lies at {image.asset.index}"


def _renders_paid_twice(ground: Ground) -> list[str]:
    places = {place for machine in ground.machines for place in machine.paid}
    return [
        f"{place} was paid {paid} times"
        for place in sorted(places)
        if (paid := sum(machine.paid[place] for machine in ground.machines))
        > 1 + sum(machine.excused[place] for machine in ground.machines)
    ]


def _gaps(ground: Ground) -> list[str]:
    """Numbers below the counter that nobody has; only what somebody else laid in a folder makes any."""
    found = []
    for folder, following in _rows(ground.folder, "SELECT folder, next_index FROM counters"):
        blocks = _rows(ground.folder, "SELECT first, quantity FROM reservations WHERE folder = ?", folder)
        given = {n for first, quantity in blocks for n in range(first, first + quantity)}
        moves = _rows(ground.folder, "SELECT new_index FROM reassignments WHERE folder = ?", folder)
        given |= {number for (number,) in moves}
        missing = set(range(1, following)) - given
        strange = {n for n in missing if n > ground.cupboard.squatted.get(folder, 0)}
        if strange or any(number >= following for number in given):
            found.append(f"{folder} goes on with {following}, given are {sorted(given)}")
    return found


def _rows(folder: Path, query: str, *values: object) -> list[Any]:
    connection = sqlite3.connect(folder / "indexer.db")
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()


def _mirrors_behind(ground: Ground) -> list[str]:
    known: dict[str, int] = dict(_rows(ground.folder, "SELECT folder, next_index FROM counters"))
    said = ground.cupboard.mirrors
    return [
        f"index.txt of {folder} says {said.get(folder)}, not {known[folder]}"
        for folder in folders()
        if folder in known and said.get(folder) != known[folder]
    ]
