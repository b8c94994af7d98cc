"""`python -m bench.makespan`: whether the backends are ever idle while images wait for them.

The whole system runs in one process, the ComfyUI stand-ins in another, and each render takes as long as it is
told. The time from the first submit to the last end, as the stand-ins saw them, is compared with what no
scheduler could beat: ceil(images / backends) renders, one after the other.
"""

import argparse
import asyncio
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from bench.verdict import Bar, spread, verdict
from tests.distributed.beside import beside
from tests.journeys.around import Around
from tests.journeys.caller import Caller
from tests.journeys.process import started
from tests.journeys.system import variables

BAR = Bar(at_most=1.03)
SMALL = {"width": 64, "height": 64, "workflow": "colour-card"}
#: How long the renders of a round may take in all before it is given up, by the least time there is.
PATIENCE = 4.0


@dataclass(frozen=True)
class Load:
    """Batches that are asked for at once, of a system with so many backends."""

    backends: int
    batches: Sequence[int]

    @property
    def images(self) -> int:
        return sum(self.batches)

    def least(self, render_seconds: float) -> float:
        """Seconds that the best schedule takes."""
        return math.ceil(self.images / self.backends) * render_seconds

    def __str__(self) -> str:
        many = f"{len(self.batches)} batches" if len(self.batches) > 1 else "1 batch"
        return f"{self.backends:2} backends, {many} of {self.batches[0]}"


LOADS = (Load(1, [16]), Load(4, [64]), Load(4, [8] * 8), Load(16, [64]), Load(16, [8] * 8))


async def measure(load: Load, render_seconds: float, rounds: int) -> list[float]:
    """Makespan by the least there is, of each round."""
    with TemporaryDirectory(prefix="darkroom-makespan-") as name:
        folder = Path(name)
        async with (
            beside(folder, render_seconds, load.backends) as around,
            started(folder, variables(around, folder / "var", POLL_SECONDS="1")) as system,
        ):
            caller = system.caller("Areg")
            characters = [await caller.register(f"Character {number}") for number in range(len(load.batches))]
            # What only the first batch ever pays: folders, connections, a look at every backend.
            await _made(caller, characters, [load.backends] * len(characters), render_seconds, load)
            return [await _round(around, caller, characters, load, render_seconds) for _ in range(rounds)]


async def _round(
    around: Around, caller: Caller, characters: Sequence[str], load: Load, render_seconds: float
) -> float:
    for backend in around.where.backends:
        (await around.client.delete(f"{backend}/sandbox/timeline")).raise_for_status()
    await _made(caller, characters, load.batches, render_seconds, load)
    seen = [await _timeline(around.client, backend) for backend in around.where.backends]
    first = min(each["first_accepted_at"] for each in seen if each["first_accepted_at"])
    last = max(each["last_ended_at"] for each in seen if each["last_ended_at"])
    assert sum(len(each["entries"]) for each in seen) == load.images, "an image was sent twice"
    return float((last - first) / load.least(render_seconds))


async def _timeline(client: httpx.AsyncClient, backend: str) -> dict[str, Any]:
    told: dict[str, Any] = (await client.get(f"{backend}/sandbox/timeline")).raise_for_status().json()
    return told


async def _made(
    caller: Caller, characters: Sequence[str], quantities: Sequence[int], render_seconds: float, load: Load
) -> None:
    """Asks for all of them at once and waits for their ends."""

    async def one(character: str, quantity: int) -> None:
        wish = {"prompt": "opal light", "quantity": quantity, **SMALL}
        answer = await caller.call("POST", f"/v1/characters/{character}/batches", wish)
        assert answer.status_code == 202, answer.text
        batch = await caller.ended(answer.json()["id"])
        assert batch["status"] == "succeeded", batch["status"]

    async with asyncio.timeout(30 + PATIENCE * load.least(render_seconds)):
        await asyncio.gather(*(one(*each) for each in zip(characters, quantities, strict=True)))


async def _main(render_ms: int, rounds: int) -> int:
    worst = 0.0
    for load in LOADS:
        measured = await measure(load, render_ms / 1000, rounds)
        print(f"{load}: {spread(measured, ' of the least')}", flush=True)
        worst = max(worst, sorted(measured)[len(measured) // 2])
    return verdict("makespan", worst, BAR)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.makespan", description=__doc__.splitlines()[0])
    parser.add_argument("--render-ms", type=int, default=1000, help="milliseconds of a render")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each load")
    parser.add_argument("--quick", action="store_true", help="one round of each")
    options = parser.parse_args()
    sys.exit(asyncio.run(_main(options.render_ms, 1 if options.quick else options.rounds)))
