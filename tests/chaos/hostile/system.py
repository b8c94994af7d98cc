"""The system as one process, whose memory and health are looked at from outside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.distributed.asking import SMALL, variables
from tests.journeys.around import around
from tests.journeys.process import Running, started

#: Growth of memory over the second half, as much again as it took in the first, that is no leak: the
#: allocator's own.
FLAT, SLACK = 1.05, 8 << 20


@dataclass(frozen=True)
class System:
    running: Running
    log: Path

    @property
    def memory(self) -> int:
        """Bytes that are resident."""
        pages = Path(f"/proc/{self.running.process.pid}/statm").read_text().split()[1]
        return int(pages) * 4096

    async def works(self) -> None:
        """A batch, right now, ends well; the process is the one that was started."""
        caller = self.running.caller("Areg")
        name = f"Iron Lily {uuid4().hex[:6]}"
        batch_id = await caller.ask(uuid4().hex, await caller.register(name), quantity=2, **SMALL)
        batch = await caller.ended(batch_id)
        assert batch["status"] == "succeeded", batch
        assert self.running.process.returncode is None
        assert (await self.running.client.get("/ready")).status_code == 200

    async def deliveries(self) -> dict[tuple[str, str], int]:
        """(queue, outcome) -> how many."""
        found = {}
        for line in (await self.running.client.get("/metrics")).text.splitlines():
            if line.startswith("darkroom_deliveries_total{"):
                labels, _, value = line.removeprefix("darkroom_deliveries_total{").partition("} ")
                said = dict(part.split("=") for part in labels.replace('"', "").split(","))
                found[said["queue"], said["outcome"]] = int(float(value))
        return found


@asynccontextmanager
async def system(folder: Path, bus_url: str) -> AsyncIterator[System]:
    async with around(folder, 0.05) as beside:
        known = variables(beside, bus_url, "", folder)
        del known["DATABASE_URL"]
        (folder / "blobs").mkdir()
        known |= {"VAR_DIR": str(folder / "var"), "PORT": "0", "LOG_FORMAT": "json", "LOG_LEVEL": "error"}
        async with started(folder, known) as running:
            yield System(running, folder / "system.log")


def is_flat(first: int, second: int) -> bool:
    return second <= max(first * FLAT, first + SLACK)
