"""The system dies in mid-batch and is started again: the batch finishes, and nothing is rendered twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from hashlib import md5
from pathlib import Path

import pytest

from tests.journeys.around import Around, around
from tests.journeys.caller import SECRET, Caller, indexes
from tests.journeys.evidence import breaches, gathered
from tests.journeys.process import started
from tests.journeys.system import variables
from tests.journeys.waiting import until

QUANTITIES = (4, 2)
TOTAL = sum(QUANTITIES)
#: Long enough to be met in the middle of it.
RENDER_SECONDS = 0.4

Moment = Callable[[Around], Awaitable[bool]]


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[Around]:
    async with around(tmp_path, RENDER_SECONDS) as made:
        yield made


async def accepted(_: Around) -> bool:
    return True


async def rendering(around: Around) -> bool:
    """One image is rendered, others are not."""
    return 1 <= (await around.renders()).total() < TOTAL


async def one_is_stored(around: Around) -> bool:
    """An image lies in storage, whether the uploader knows it or not."""
    return len(await around.images()) >= 1


async def half_is_rendered(around: Around) -> bool:
    return (await around.renders()).total() >= TOTAL / 2


async def nearly_done(around: Around) -> bool:
    return len(await around.images()) >= TOTAL - 1


@pytest.mark.slow
@pytest.mark.parametrize("moment", [accepted, rendering, nearly_done])
async def test_a_killed_system_finishes_its_batch_and_renders_nothing_twice(
    moment: Moment, beside: Around, tmp_path: Path
) -> None:
    assert await _killed_at(moment, beside, tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_system_killed_again_and_again_loses_nothing(beside: Around, tmp_path: Path) -> None:
    """First while an upload is done, but not answered; whoever asks repeats the question at every start, as
    one does who has got no answer."""
    late = {"kind": "latency", "calls": ["upload"], "public_id": "_image_", "after_commit": True}
    await beside.trouble_storage(late | {"delay_seconds": 30, "count": 1})
    known = variables(beside, tmp_path, LEASE_SECONDS="1")
    character = ""
    for moment in (one_is_stored, half_is_rendered, nearly_done):
        async with started(tmp_path, known) as system:
            areg = system.caller("Areg")
            character = character or await areg.register("Iron Lily")
            await _asked(areg, character)
            await until(lambda: moment(beside))  # noqa: B023 - called before the next round
            await system.kill()
    async with started(tmp_path, known) as system:
        areg = system.caller("Areg")
        assert await _broken(areg, character, await _asked(areg, character), beside) == []
    # Each image and the folder's index.txt came into being once.
    assert (await beside.storage())["uploads"] == TOTAL + 1


@pytest.mark.slow
async def test_a_stopped_system_ends_soon_and_well_and_goes_on_later(beside: Around, tmp_path: Path) -> None:
    known = variables(beside, tmp_path)
    async with started(tmp_path, known) as system:
        areg = system.caller("Areg")
        character = await areg.register("Iron Lily")
        ids = await _asked(areg, character)
        await _rendered(beside, 1)
        assert await system.stop(within=15) == 0
    assert (await beside.renders()).total() < TOTAL
    async with started(tmp_path, known) as system:
        assert await _broken(system.caller("Areg"), character, ids, beside) == []


@pytest.mark.slow
async def test_a_system_with_stand_ins_inside_finishes_after_a_kill(tmp_path: Path) -> None:
    """What its backends had under way dies with them, so it is rendered anew, at the same number."""
    known = {
        "VAR_DIR": str(tmp_path),
        "PORT": "0",
        "LEASE_SECONDS": "1",
        "JWT_SECRET": SECRET,
        "SANDBOX_RENDER_SECONDS": str(RENDER_SECONDS),
    }
    async with started(tmp_path, known) as system:
        areg = system.caller("Areg")
        ids = await _asked(areg, await areg.register("Iron Lily"))

        async def one_is_done() -> bool:
            return any([(await areg.look(each))["progress"]["done"] for each in ids])

        await until(one_is_done)
        await system.kill()
    async with started(tmp_path, known) as system:
        areg = system.caller("Areg")
        images = [image for each in ids for image in (await areg.ended(each))["images"]]
        pictures = [(await system.client.get(image["url"])).raise_for_status() for image in images]
    assert sorted(indexes(images)) == list(range(1, TOTAL + 1))
    assert [md5(picture.content).hexdigest() for picture in pictures] == [image["hash"] for image in images]
    assert len({image["hash"] for image in images}) == TOTAL


async def _killed_at(moment: Moment, beside: Around, folder: Path) -> list[str]:
    known = variables(beside, folder, LEASE_SECONDS="1")
    async with started(folder, known) as system:
        areg = system.caller("Areg")
        character = await areg.register("Iron Lily")
        ids = await _asked(areg, character)
        await until(lambda: moment(beside))
        await system.kill()
    async with started(folder, known) as system:
        return await _broken(system.caller("Areg"), character, ids, beside)


async def _asked(caller: Caller, character: str) -> list[str]:
    """The ids of two batches of one folder, asked at the same moment."""
    asking = [caller.ask(f"of {quantity}", character, quantity=quantity) for quantity in QUANTITIES]
    return list(await asyncio.gather(*asking))


async def _rendered(beside: Around, images: int) -> None:
    """Returns once so many are rendered."""

    async def enough() -> bool:
        return (await beside.renders()).total() >= images

    await until(enough)


async def _broken(caller: Caller, character: str, ids: Sequence[str], beside: Around) -> list[str]:
    batches = [await caller.ended(each) for each in ids]
    evidence = await gathered(beside, batches)
    broken = breaches(evidence)
    broken += [f"{each['id']} ended as {each['status']}" for each in batches if each["status"] != "succeeded"]
    if (renders := sum(evidence.renders.values())) != TOTAL:
        broken.append(f"{TOTAL} images were rendered in {renders} renders")
    if (shown := (await caller.gallery(character))["totalCount"]) != TOTAL:
        broken.append(f"the gallery shows {shown} of {TOTAL} images")
    return broken
