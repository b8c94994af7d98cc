"""One backend of the fleet: rested, probed, taken back, and never hurried."""

import asyncio
import time
from pathlib import Path

from services.renderer.adapters.comfyui.pod import read_pod
from services.renderer.adapters.member import RESTS, Member
from services.renderer.adapters.places import Pace
from services.renderer.domain.equipment import Wish
from tests.services.renderer.backends import Backend, backend
from tests.services.renderer.requests import reserved
from tests.services.renderer.stage import stage

LOADER = frozenset({"CheckpointLoaderSimple", "SaveImage"})
WISH = Wish("portrait", None, ())


def member(one: Backend, wake: asyncio.Event) -> Member:
    return Member(read_pod(one.renderer_url, Pace(2), LOADER), wake)


async def probes(one: Backend) -> int:
    """Failed ones."""
    (rule,) = (await one.http.get("/sandbox/faults")).json()["rules"]
    return int(rule["matched"])


async def test_a_backend_that_fails_is_probed_after_longer_and_longer_rests_and_taken_back(
    tmp_path: Path,
) -> None:
    assert list(RESTS) == sorted(RESTS)
    async with backend(tmp_path / "a") as one:
        await one.fault("http_error", route="/system_stats", status=502, times=None)
        wake = asyncio.Event()
        watched = member(one, wake)
        began, task = time.monotonic(), asyncio.create_task(watched.run())
        async with asyncio.timeout(20):
            while await probes(one) < 3:  # noqa: ASYNC110 - it tells no one
                await asyncio.sleep(0.02)
            assert time.monotonic() - began >= RESTS[0] + RESTS[1]
            assert (watched.healthy, watched.reason) == (False, "the backend is away (HTTP 502)")
            await one.heal()
            await wake.wait()
        assert (watched.healthy, watched.reason) == (True, None)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await watched.backend.close()


async def test_what_a_backend_can_do_is_known_once_it_was_asked_and_a_refusal_outweighs_it(
    tmp_path: Path,
) -> None:
    graph = {
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors"}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["4", 0]}},
    }
    async with backend(tmp_path / "a") as one:
        asked = member(one, asyncio.Event())
        assert asked.able(WISH, graph) is None
        await asked.backend.probe()
        assert asked.able(WISH, graph) is True
        asked.refused(WISH)
        assert asked.able(WISH, graph) is False
        assert asked.able(Wish("other", None, ()), None) is True
        await asked.backend.close()


async def test_submits_to_one_backend_keep_their_distance(tmp_path: Path) -> None:
    async with (
        backend(tmp_path / "a") as one,
        stage(tmp_path, f"{one.renderer_url}?depth=3&stagger_ms=400") as heard,
    ):
        await heard.bus.publish(reserved(quantity=3))
        await one.taken(1)
        first = time.monotonic()
        await one.taken(3)
        assert time.monotonic() - first >= 0.6
        await heard.ended(3)
