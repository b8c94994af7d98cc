"""One story with every message in it: batches are made, fail, are stopped, retried, moved, deleted."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from contracts.commands import DeleteImage
from messaging.bus import Bus
from tests.journeys.around import Around
from tests.journeys.caller import Caller
from tests.journeys.evidence import Batch, breaches, gathered, taken_before
from tests.journeys.system import System
from tests.journeys.waiting import until

FOX_FOLDER = "Mira/characters/grey-fox/images"
#: Somebody else's picture, at a number that is reserved later.
FOREIGN = f"{FOX_FOLDER}/Mira_grey-fox_image_2"
#: What the promises say of the image that had to give way: it keeps the picture made for its old number.
GAVE_WAY = {
    "what lies at Mira_grey-fox_image_4 was rendered for Mira_grey-fox_image_2",
    "Mira_grey-fox_image_4 was rendered by nobody",
}
#: client id -> the numbers of its images by ordinal, whatever happens on the way.
NUMBERS = {
    "eight": [1, 2, 3, 4, 5, 6, 7, 8],
    "struck": [9, 10],
    "one": [1],
    "four": [1, 2, 3, 4],
    "omitted": [5],
    "stopped": [1, 2, 3],
    "moved": [1, 4, 3],
}
STATUSES = dict.fromkeys(NUMBERS, "succeeded") | {"omitted": "failed"}
#: A lightning strikes the backend at the first word; at the second, it stands still until it is interrupted.
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "node_error", "text": "thunder", "times": None},
    {"kind": "stall", "text": "stillness", "seconds": 60, "times": None},
)


@dataclass(frozen=True)
class Told:
    """Every batch at its end, by client id, and what is broken."""

    batches: Mapping[str, Batch]
    placeholders: frozenset[str]
    broken: list[str]

    def digests(self) -> dict[str, str]:
        """Image name -> MD5 of its bytes."""
        images = [image for batch in self.batches.values() for image in batch["images"] if image["url"]]
        return {image["name"]: image["hash"] for image in images}


async def tell(system: System) -> Told:
    """All of it but the deletion."""
    around, studio = system.around, system.caller("studio", "premade")
    areg, mira = system.caller("Areg"), system.caller("Mira")
    await around.trouble_backends(*FAULTS)
    opal = await studio.register("Opal Fever", premade=True, embedding="opal_fever")
    lily, heron, fox = await asyncio.gather(
        areg.register("Iron Lily"), mira.register("Night Heron"), mira.register("Grey Fox")
    )
    await around.mirrored(FOX_FOLDER, 1)
    await around.put(FOREIGN, picture())
    firsts = [
        areg.ask("eight", opal, quantity=8, seed=100),
        mira.ask("one", opal, quantity=1, seed=200),
        areg.ask("four", lily, quantity=4, seed=300, style="noir"),
        mira.ask("stopped", heron, quantity=3, seed=400, prompt="stillness"),
        mira.ask("moved", fox, quantity=3, seed=500),
    ]
    eight, one, four, stopped, moved = await asyncio.gather(*firsts)
    await mira.cancel(stopped)
    await asyncio.gather(areg.reserved(eight), areg.reserved(four))
    struck = await areg.ask("struck", opal, quantity=2, seed=600, prompt="thunder")
    missing = {"checkpoint": "not-installed.safetensors"}
    omitted = await areg.ask("omitted", lily, seed=700, on_failure="omit", parameters=missing)
    placeholders = await _failed_and_stopped(areg, mira, struck, stopped)
    await around.calm_backends()
    await asyncio.gather(areg.retry(struck), mira.retry(stopped))
    theirs = {areg: {"eight": eight, "struck": struck, "four": four, "omitted": omitted}}
    theirs[mira] = {"one": one, "stopped": stopped, "moved": moved}
    batches = {
        client_id: await caller.ended(batch_id)
        for caller, ids in theirs.items()
        for client_id, batch_id in ids.items()
    }
    return Told(batches, placeholders, await _broken(around, batches, placeholders))


async def delete_one(system: System, bus: Bus, told: Told) -> None:
    """Takes the last image of Areg's four away, by a message."""
    image, areg = told.batches["four"]["images"][3], system.caller("Areg")
    await bus.publish(DeleteImage(public_id=image["public_id"]))

    async def gone() -> bool:
        batch = await areg.look(told.batches["four"]["id"])
        return bool(batch["images"][3]["status"] == "deleted")

    await until(gone)
    assert image["public_id"] not in await system.around.images()
    assert (await areg.look(told.batches["four"]["id"]))["status"] == "succeeded"


def picture(colour: str = "teal") -> bytes:
    data = BytesIO()
    Image.new("RGB", (16, 16), colour).save(data, "PNG")
    return data.getvalue()


async def _failed_and_stopped(areg: Caller, mira: Caller, struck: str, stopped: str) -> frozenset[str]:
    """The public ids of the placeholders."""
    failed, canceled = await asyncio.gather(areg.ended(struck), mira.ended(stopped))
    assert [image["status"] for image in failed["images"]] == ["placeholder"] * 2
    assert [image["status"] for image in canceled["images"]] == ["canceled"] * 3
    return frozenset(image["public_id"] for image in failed["images"])


async def _broken(around: Around, batches: Mapping[str, Batch], placeholders: frozenset[str]) -> list[str]:
    evidence = await gathered(around, [*batches.values(), taken_before(FOX_FOLDER, 2)])
    broken = set(breaches(evidence, placeholders, {FOREIGN}))
    foreign = (await around.images())[FOREIGN]
    return sorted(broken ^ GAVE_WAY) + ([f"{FOREIGN} was touched"] if foreign["overwrites"] else [])
