"""Whatever happens to deliveries on the way, the same images come to lie at the same numbers."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from messaging.bus import Bus
from messaging.memory import MemoryBus
from tests.journeys.around import around
from tests.journeys.buses import (
    CutShort,
    FailsAfterCommit,
    ForgetfulPublisher,
    InRandomOrder,
    OutageAfterCommit,
    TwistedBus,
    twice,
    twice_at_once,
)
from tests.journeys.caller import indexes
from tests.journeys.conftest import RENDER_SECONDS
from tests.journeys.story import NUMBERS, STATUSES, Told, delete_one, tell
from tests.journeys.system import running

#: What happens on the way. The stories of one group are told at the same time, each in a system of its own.
GROUPS: dict[str, dict[str, Callable[[MemoryBus], Bus]]] = {
    "again and in any order": {
        "handled twice": lambda bus: TwistedBus(bus, twice),
        "handled twice at once": lambda bus: TwistedBus(bus, twice_at_once),
        "in random order": lambda bus: TwistedBus(bus, InRandomOrder(seed=7)),
        "published without a confirm": ForgetfulPublisher,
    },
    "only at the second attempt": {
        "failing after the commit": lambda bus: TwistedBus(bus, FailsAfterCommit()),
        "meeting an outage after the commit": lambda bus: TwistedBus(bus, OutageAfterCommit()),
        "cut short": lambda bus: TwistedBus(bus, CutShort(seed=11)),
    },
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("group", GROUPS)
async def test_trouble_on_the_way_changes_no_image_and_no_number(group: str, tmp_path: Path) -> None:
    troubles: dict[str, Callable[[MemoryBus], Bus]] = {"calm": lambda bus: bus, **GROUPS[group]}
    async with asyncio.TaskGroup() as tasks:
        telling = {
            name: tasks.create_task(_told(tmp_path / name.replace(" ", "-"), make), name=name)
            for name, make in troubles.items()
        }
    told = {name: task.result() for name, task in telling.items()}
    assert {name: each.broken for name, each in told.items()} == {name: [] for name in troubles}
    for each in told.values():
        assert {name: indexes(batch["images"]) for name, batch in each.batches.items()} == NUMBERS
        assert {name: batch["status"] for name, batch in each.batches.items()} == STATUSES
        assert each.digests() == told["calm"].digests()


async def _told(folder: Path, make: Callable[[MemoryBus], Bus]) -> Told:
    """The whole story, until nothing of it is on its way any more and nothing of it has died."""
    within = MemoryBus()
    bus = make(within)
    async with around(folder, RENDER_SECONDS) as beside, running(bus, beside, folder) as system:
        told = await tell(system)
        await delete_one(system, within, told)
        await within.settled()
        assert await bus.dead_letters() == {}
    return told
