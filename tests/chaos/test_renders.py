"""Images on pods of two versions and an endpoint, which have every mishap of the facts, by renderers that are
killed all the time."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.chaos.schedule import Mishap, deaths, mishaps, running
from tests.distributed.asking import ask_all, ended, variables, wishes
from tests.distributed.beside import beside
from tests.distributed.doors import front_door
from tests.distributed.processes import cluster
from tests.distributed.verdict import left_over
from tests.journeys.around import Around
from tests.journeys.evidence import Batch, breaches, gathered
from tests.journeys.waiting import until
from tests.nodes.broker import Broker

USERS = ("Areg", "Mira", "Tomas", "Ines")
SEED = 4
PODS, ENDPOINTS = 2, 1
MOST_KILLS, KILL_PAUSES = 60, (5.0, 10.0)

MISHAPS: tuple[Mishap, ...] = (
    {"kind": "latency", "route": "/prompt", "seconds": 2.0, "times": 3},
    {"kind": "latency", "route": "/view", "seconds": 1.5, "times": 3},
    {"kind": "drop_before", "route": "/prompt"},
    {"kind": "drop_after", "route": "/prompt"},
    {"kind": "drop_after", "route": "/view"},
    {"kind": "drop_before", "route": "/jobs", "times": 3},
    {"kind": "http_error", "route": "/prompt", "status": 502, "times": 2},
    {"kind": "http_error", "route": "/view", "status": 524},
    {"kind": "login_page", "route": "/jobs"},
    {"kind": "restart", "down_seconds": 1.0},
    {"kind": "out_of_memory"},
    {"kind": "vanish", "when": "queued"},
    {"kind": "vanish", "when": "finished"},
    {"kind": "file_vanishes"},
    {"kind": "truncated_file"},
    {"kind": "html_page", "route": "/jobs"},
    {"kind": "zombie_socket", "times": 2},
)
ENDPOINT_MISHAPS: tuple[Mishap, ...] = (
    {"kind": "latency", "route": "/status", "seconds": 1.5, "times": 3},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "drop_after", "route": "/status"},
    {"kind": "http_error", "status": 502},
    {"kind": "html_page", "route": "/status"},
    {"kind": "api_error", "route": "/status", "status": 500},
    {"kind": "too_many", "retry_after": 1},
    {"kind": "out_of_memory"},
    {"kind": "vanish", "when": "queued"},
    {"kind": "job_fails"},
    {"kind": "no_result"},
    {"kind": "no_output"},
    {"kind": "odd_state"},
    {"kind": "stuck", "seconds": 2.0},
)
#: How many renders one mishap of a kind can cost; the others cost none. A restart forgets what runs and what
#: waits behind it.
LOSSES = {
    **dict.fromkeys(("out_of_memory", "vanish", "file_vanishes", "truncated_file"), 1),
    **dict.fromkeys(("job_fails", "no_result", "no_output"), 1),
    "restart": 2,
}
#: What hides whether an endpoint took a job: RunPod has no key by which to ask.
HIDDEN = ("drop_after",)


@dataclass(frozen=True)
class Size:
    images: int
    render_seconds: float
    mishap_pauses: tuple[float, float]
    within: float


MINUTE = Size(images=140, render_seconds=0.6, mishap_pauses=(0.5, 1.3), within=600)
WHOLE = Size(images=500, render_seconds=1.5, mishap_pauses=(1.0, 3.0), within=1200)


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_whatever_happens_to_backends_and_renderers_every_image_is_delivered_once(
    rabbitmq_node: Broker, rabbitmq_url: str, postgres_url: str, tmp_path: Path, whole: bool
) -> None:
    size = WHOLE if whole else MINUTE
    over, calm = asyncio.Event(), asyncio.Event()
    versions = ("--comfyui-versions", "0.33.0,0.3.64", "--cold-start-seconds", "1")
    stand_ins = beside(tmp_path, size.render_seconds, PODS, *versions, endpoints=ENDPOINTS)
    async with stand_ins as around:
        known = variables(around, rabbitmq_url, postgres_url, tmp_path)
        counts = {"gateway": 1, "indexer": 1, "renderer": 2, "uploader": 1}
        async with (
            cluster(tmp_path, known, counts) as system,
            front_door(system.of("gateway")) as (client, _),
            running(
                deaths(system.of("renderer"), SEED, MOST_KILLS, KILL_PAUSES, over),
                mishaps(around, around.where.backends, MISHAPS, size.mishap_pauses, calm),
                mishaps(around, around.endpoints, ENDPOINT_MISHAPS, size.mishap_pauses, calm),
                _calm_after(round(0.9 * size.images), around, calm),
            ) as schedules,
        ):
            wanted = await wishes(client, USERS, _quantities(size.images))
            await ask_all(wanted, rabbitmq_url)
            batches = await ended(wanted, size.within)
            over.set()
            died, *_ = await schedules
            await system.ready()
            assert await _broken(around, batches) == []
            assert await left_over(rabbitmq_node, urlsplit(rabbitmq_url).path[1:]) == {}
            assert system.errors() == []
            await _paid(around, died, size.images)


async def _calm_after(images: int, around: Around, calm: asyncio.Event) -> None:
    """Trouble ends with most of the work: else all of it would strike the last image, which has but so many
    tries."""

    async def most() -> bool:
        return (await around.renders()).total() >= images

    await until(most, WHOLE.within)
    calm.set()


async def _broken(around: Around, batches: Sequence[Batch]) -> list[str]:
    """Each image once, under its number, with its own bytes; how often it was rendered is counted apart."""
    evidence = await gathered(around, batches)
    missing = [f"{each['id']} ended as {each['status']}" for each in batches if each["status"] != "succeeded"]
    return breaches(replace(evidence, renders=dict.fromkeys(evidence.renders, 1))) + missing


async def _paid(around: Around, died: Counter[str], images: int) -> None:
    """What was sent beyond one job an image is what kills and lost work account for."""
    backends = await around.backends()
    struck: Counter[str] = sum((Counter(backend["faults"]) for backend in backends), Counter())
    submits = sum(backend["accepted"] for backend in backends)
    lost = sum(struck[kind] * renders for kind, renders in LOSSES.items())
    lost += sum(backend["faults"].get(kind, 0) for backend in backends[PODS:] for kind in HIDDEN)
    bound = 1 + (died.total() + lost) / images
    print(f"\nkilled: {dict(died)}\nmishaps: {dict(struck)}")  # noqa: T201
    print(f"{images} images, {submits} submits: {submits / images:.3f} an image (<= {bound:.3f})")  # noqa: T201
    assert {str(each["kind"]) for each in (*MISHAPS, *ENDPOINT_MISHAPS)} == set(struck)
    assert died.total() >= 2
    assert submits / images <= bound


def _quantities(images: int) -> list[int]:
    """Batches of 1 to 12, of so many images in all."""
    sizes: list[int] = []
    while (rest := images - sum(sizes)) > 0:
        sizes.append(min(rest, 1 + len(sizes) * 5 % 12))
    return sizes
