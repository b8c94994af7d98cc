"""Images on their way to a storage that has every fault there is, by uploaders that die all the time."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]
import pytest

from chassis.blobs import open_blobs
from messaging.connect import open_bus
from tests.chaos.schedule import deaths, running
from tests.chaos.storage_files import Account, assets_in, broken, right_mirrors
from tests.chaos.studio import Studio, listening, wanted
from tests.distributed.asking import variables
from tests.distributed.beside import beside
from tests.distributed.processes import Cluster, cluster
from tests.distributed.wire import burnt_attempts, spy
from tests.journeys.waiting import until
from tests.nodes.broker import Broker

USERS = ("Areg", "Mira", "Tomas", "Ines")
SEED = 5
UPLOADERS = 3
KILL_PAUSES = (5.0, 10.0)
#: Of so many calls one goes wrong by each kind, which makes a tenth of all calls; primes, so that the kinds
#: do not come one right after the other.
EVERY = (89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151)
FAULTS: tuple[Mapping[str, Any], ...] = (
    {"kind": "drop"},
    {"kind": "drop", "after_commit": True},
    {"kind": "html_502", "after_commit": True},
    {"kind": "error_500"},
    {"kind": "error_503", "after_commit": True},
    {"kind": "no_error_field"},
    {"kind": "list_body"},
    {"kind": "limited_420"},
    {"kind": "limited_429", "reset_seconds": 1},
    {"kind": "unauthorized"},
    {"kind": "forbidden"},
    {"kind": "stale"},
    {"kind": "latency", "delay_seconds": 4},
)


@dataclass(frozen=True)
class Size:
    images: int
    #: Seconds between two images.
    pause: float
    within: float


MINUTE = Size(images=300, pause=0.1, within=200)
WHOLE = Size(images=2000, pause=0.08, within=1200)


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_whatever_happens_to_storage_and_uploaders_every_image_lies_there_once(
    rabbitmq_node: Broker, rabbitmq_url: str, postgres_url: str, tmp_path: Path, whole: bool
) -> None:
    size, over = WHOLE if whole else MINUTE, asyncio.Event()
    batches = wanted(size.images, USERS)
    async with beside(tmp_path, 0.1, backends=1) as around:
        known = variables(around, rabbitmq_url, postgres_url, tmp_path)
        async with (
            cluster(tmp_path, known, {"indexer": 1, "uploader": UPLOADERS}) as system,
            open_bus(rabbitmq_url, "studio", declare=False) as bus,
            open_blobs(known["BLOBS_URL"]) as blobs,
        ):
            studio = Studio(bus, blobs, around, size.pause, random.Random(SEED))
            await spy(rabbitmq_url)
            rules = zip(FAULTS, EVERY, strict=True)
            await around.trouble_storage(
                *({**fault, "every": every, "count": None} for fault, every in rules)
            )
            begun = time.monotonic()
            async with (
                listening(rabbitmq_url, studio),
                running(deaths(system.of("uploader"), SEED, 1000, KILL_PAUSES, over)) as schedules,
            ):
                async with asyncio.timeout(size.within):
                    await asyncio.gather(studio.ask(batches), studio.render(len(batches)))
                    await until(lambda: _all_stored(studio, size.images), size.within)
                took = time.monotonic() - begun
                over.set()
                (died,) = await schedules
                stats = await around.storage()
                struck = Counter(stats["faults"])
                await around.calm_storage()
                await until(lambda: _awake(system))
                account = await _settled(postgres_url, tmp_path / "sandbox" / "cloudinary", studio)
                _print(account, studio, died, struck, sum(stats["calls"].values()), took)
                assert broken(account) == []
                assert studio.failed == []
                assert {str(fault["kind"]) for fault in FAULTS} == set(struck)
                assert died.total() >= 3
                assert await burnt_attempts(rabbitmq_url) == []
                assert await _left(rabbitmq_node, urlsplit(rabbitmq_url).path[1:]) == {}
                assert system.errors() == []


async def _awake(system: Cluster) -> bool:
    """Whether every process is up, and has nothing to complain of."""
    heard = await asyncio.gather(*(each.troubles(system.client) for each in system.replicas))
    return all(found == {} for found in heard)


async def _all_stored(studio: Studio, images: int) -> bool:
    return len(studio.stored) == images


async def _settled(database_url: str, folder: Path, studio: Studio) -> Account:
    """What is known once every mirror had its time."""
    account: Account

    async def settled() -> bool:
        nonlocal account
        account = await _account(database_url, folder, studio)
        return not broken(account)

    with suppress(TimeoutError):
        await until(settled, within=60)
    return account


async def _account(database_url: str, folder: Path, studio: Studio) -> Account:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""), ssl=False)
    try:
        counters = await connection.fetch("SELECT folder, next_index FROM indexer.counters")
        ledger = await connection.fetch("SELECT * FROM uploader.assets")
    finally:
        await connection.close()
    return Account(
        assets=await asyncio.to_thread(assets_in, folder),
        ledger=ledger,
        counters={row["folder"]: row["next_index"] for row in counters},
        rendered=studio.rendered,
        foreign=studio.foreign,
        stored=studio.stored,
    )


async def _left(broker: Broker, vhost: str) -> Mapping[str, int]:
    """Messages for indexer and uploaders that are still there when all is done, dead letters among them."""
    left: dict[str, int] = {}

    async def nothing() -> bool:
        nonlocal left
        queues = await asyncio.to_thread(broker.queues, vhost)
        left = {
            name: size for name, size in queues.items() if size and name.startswith(("indexer.", "uploader."))
        }
        return not left

    with suppress(TimeoutError):
        await until(nothing, within=60)
    return left


def _print(
    account: Account, studio: Studio, died: Counter[str], struck: Counter[str], calls: int, took: float
) -> None:
    owned = account.owned()
    own = sum([asset.md5 for asset in owned.get(key, [])] == [md5] for key, md5 in account.rendered.items())
    mine = [asset for asset in account.images() if asset.public_id not in account.foreign]
    rows = {
        "images": len(account.rendered),
        "assets of theirs": len(mine),
        "with their own bytes": own,
        "overwritten": sum(asset.overwrites for asset in mine),
        "numbers taken by others, images moved": f"{len(account.foreign)}, {len(studio.moved)}",
        "index.txt right": f"{right_mirrors(account)} of {len(account.counters)} folders",
        "killed": dict(sorted(died.items())),
        "calls that went wrong": f"{struck.total()} of {calls}: {dict(sorted(struck.items()))}",
        "seconds": f"{took:.0f}, {len(account.rendered) / took:.1f} images a second",
    }
    print()  # noqa: T201
    for name, value in rows.items():
        print(f"{name:>40}  {value}")  # noqa: T201
