"""`index.txt`: written from the highest number known, coalesced, marked until it is, read back, repaired."""

import asyncio
from typing import Any

import pytest
from cloudinary import uploader as sdk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.events import FolderOpened
from contracts.names import index_file
from messaging.errors import Outage, PermanentError
from services.uploader.adapters import sql_folders
from services.uploader.adapters.sql_folders import SqlFolders
from services.uploader.mirror import Mirror
from tests.services.uploader.stage import FOLDER, Replica, Stage, reassigned, replica, reserved


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


async def said(stage: Stage, folder: str = FOLDER) -> str | None:
    asset: dict[str, Any] | None = (await stage.assets("raw")).get(index_file(folder))
    return str(asset["context"]["next_index"]) if asset else None


async def test_a_new_folder_says_where_its_numbers_begin(each_stage: Stage) -> None:
    async with replica(each_stage) as uploader:
        await uploader.hear(FolderOpened(folder=FOLDER, next_index=1))
        await uploader.mirror.write()
    assert await said(each_stage) == "1"


@pytest.mark.parametrize(
    "folder", ["../../etc", "Areg/characters", "Areg/characters/x/../images", "\x1b[31m"]
)
async def test_what_is_no_folder_of_ours_gets_no_mirror(uploader: Replica, stage: Stage, folder: str) -> None:
    moved = reassigned(7, 12).model_copy(update={"folder": folder})
    for told in (FolderOpened(folder=folder, next_index=3), reserved(folder=folder), moved):
        with pytest.raises(PermanentError, match="not a folder of ours"):
            await uploader.hear(told)
    await uploader.mirror.write()
    assert await stage.assets("raw") == {}


async def test_the_file_holds_the_digits_and_nothing_else(uploader: Replica, stage: Stage) -> None:
    await uploader.hear(reserved(first=7, quantity=5))
    await uploader.mirror.write()
    url = f"{stage.url}/darkroom/raw/upload/{index_file(FOLDER)}"
    assert await stage.fetch(url) == b"12"


async def test_many_batches_are_one_write_of_the_highest_number(uploader: Replica, stage: Stage) -> None:
    batches = [reserved(f"b{first}", first=first) for first in (31, 7, 99, 50)]
    await asyncio.gather(*map(uploader.hear, batches))
    await uploader.mirror.write()
    assert await said(stage) == "103"
    assert (await stage.stats())["calls"]["upload"] == 1


async def test_a_repeated_reservation_writes_nothing(uploader: Replica, stage: Stage) -> None:
    for _ in range(2):
        await uploader.hear(reserved())
        await uploader.hear(FolderOpened(folder=FOLDER, next_index=3))
        await uploader.mirror.write()
    assert await said(stage) == "11"
    assert (await stage.stats())["calls"]["upload"] == 1


async def test_a_new_number_for_an_image_moves_the_mirror(uploader: Replica, stage: Stage) -> None:
    with pytest.raises(Exception, match="ledger knows nothing"):
        await uploader.hear(reassigned(7, 44))
    await uploader.mirror.write()
    assert await said(stage) == "45"


async def test_a_failure_fails_nothing_and_is_tried_again_after_a_rest(stage: Stage) -> None:
    clock = Clock()
    async with replica(stage, clock) as uploader:
        await uploader.hear(reserved())
        await stage.fault("error_503", calls=["upload"])
        await uploader.mirror.write()
        assert await said(stage) is None
        await uploader.mirror.write()
        assert await said(stage) is None
        clock.now += sql_folders.REST_SECONDS
        await uploader.mirror.write()
        assert await said(stage) == "11"


async def test_the_mark_outlives_a_crash_between_the_write_and_its_clearing(each_stage: Stage) -> None:
    clock = Clock()
    async with replica(each_stage, clock) as dying:
        await dying.hear(reserved())
        await dying.folders.claim()
        await dying.shelf.write(FOLDER, 11)
    async with replica(each_stage, clock) as uploader:
        await uploader.hear(reserved("b2", first=11))
        await uploader.mirror.write()
        assert await said(each_stage) == "11"
        clock.now += sql_folders.LEASE_SECONDS
        await uploader.mirror.write()
    assert await said(each_stage) == "15"


async def test_what_came_during_a_write_is_written_too(uploader: Replica, stage: Stage) -> None:
    await uploader.hear(reserved())
    claimed = await uploader.folders.claim()
    await uploader.hear(reserved("b2", first=11))
    await uploader.shelf.write(FOLDER, claimed[FOLDER])
    await uploader.folders.written(FOLDER, claimed[FOLDER])
    await uploader.mirror.write()
    assert await said(stage) == "15"


async def test_replicas_take_turns_through_the_lease(each_stage: Stage) -> None:
    async with replica(each_stage) as one, replica(each_stage) as two:
        await one.hear(reserved())
        claims = await asyncio.gather(one.folders.claim(), two.folders.claim())
    assert sorted(len(claim) for claim in claims) == [0, 1]


async def test_a_late_write_of_a_frozen_process_is_known_by_itself(each_stage: Stage) -> None:
    clock = Clock()
    async with replica(each_stage, clock) as frozen, replica(each_stage, clock) as other:
        await frozen.hear(reserved())
        old = await frozen.folders.claim()
        clock.now += sql_folders.LEASE_SECONDS
        await other.hear(reserved("b2", first=11))
        await other.mirror.write()
        await frozen.shelf.write(FOLDER, old[FOLDER])
        await frozen.folders.written(FOLDER, old[FOLDER])
        assert await said(each_stage) == "11"
        await other.mirror.write()
    assert await said(each_stage) == "15"


async def test_a_late_write_of_a_process_that_died_is_found_by_reading_back(each_stage: Stage) -> None:
    clock = Clock()
    async with replica(each_stage, clock) as uploader:
        await uploader.hear(reserved())
        await uploader.mirror.write()
        await uploader.shelf.write(FOLDER, 3)
        await uploader.mirror.verify()
        clock.now += sql_folders.VERIFY_SECONDS + 1
        await uploader.mirror.verify()
        await uploader.mirror.write()
    assert await said(each_stage) == "11"


async def test_a_mirror_that_was_deleted_is_written_again(stage: Stage) -> None:
    clock = Clock()
    async with replica(stage, clock) as uploader:
        await uploader.hear(reserved())
        await uploader.mirror.write()
        await uploader.account.call(sdk.destroy, index_file(FOLDER), resource_type="raw")
        clock.now += sql_folders.VERIFY_SECONDS + 1
        await uploader.mirror.verify()
        await uploader.mirror.write()
    assert await said(stage) == "11"


async def test_a_mirror_that_nobody_wrote_for_long_is_asked_for_no_more(stage: Stage) -> None:
    clock = Clock()
    async with replica(stage, clock) as uploader:
        await uploader.hear(reserved())
        await uploader.mirror.write()
        clock.now += sql_folders.WATCHED_SECONDS + 1
        assert await uploader.folders.to_verify() == {}


async def test_a_mirror_that_says_more_is_left_alone(stage: Stage) -> None:
    clock = Clock()
    async with replica(stage, clock) as uploader:
        await uploader.hear(reserved())
        await uploader.mirror.write()
        await uploader.shelf.write(FOLDER, 500)
        clock.now += sql_folders.VERIFY_SECONDS + 1
        await uploader.mirror.verify()
        await uploader.mirror.write()
    assert await said(stage) == "500"


async def test_a_hundred_folders_are_read_back_with_one_admin_call(stage: Stage) -> None:
    clock = Clock()
    async with replica(stage, clock) as uploader:
        folders = [f"Areg/characters/opal-{number}/images" for number in range(100)]
        await asyncio.gather(*(uploader.folders.advance(folder, 5) for folder in folders))
        await uploader.mirror.write()
        clock.now += sql_folders.VERIFY_SECONDS + 1
        before = (await stage.stats())["admin_calls"]
        for _ in range(3):
            await uploader.mirror.verify()
        assert (await stage.stats())["admin_calls"] == before + 1
        assert set(await stage.assets("raw")) == {index_file(folder) for folder in folders}


async def test_reading_back_while_storage_is_down_says_nothing_of_the_mirror(stage: Stage) -> None:
    clock = Clock()
    async with replica(stage, clock) as uploader:
        await uploader.hear(reserved())
        await uploader.mirror.write()
        clock.now += sql_folders.VERIFY_SECONDS + 1
        await stage.fault("error_503", calls=["resources"])
        with pytest.raises(Outage):
            await uploader.mirror.verify()
        await uploader.mirror.write()
        assert (await stage.stats())["calls"]["upload"] == 1


@given(
    st.lists(st.sampled_from(["reserve", "write", "die", "late", "verify", "wait"]), min_size=1, max_size=12)
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_after_any_crash_or_freeze_the_mirror_converges(uploader: Replica, steps: list[str]) -> None:
    """On a fresh folder each time; `files` stands where Cloudinary keeps what it was last told."""
    clock, files = Clock(), Files()
    folders = SqlFolders(uploader.database, clock)
    mirror = Mirror(folders, files)
    known, folder = 1, f"Areg/characters/opal-{next(NUMBERS)}/images"
    await folders.advance(folder, known)
    for step in [*steps, "end"]:
        if step == "reserve":
            known += 4
            await folders.advance(folder, known)
        elif step == "write":
            await mirror.write()
        elif step == "die":
            files.late.update(await SqlFolders(uploader.database, clock).claim())
        elif step == "late":
            files.content.update(files.late)
        elif step == "verify":
            await mirror.verify()
        clock.now += 25
    for _ in range(3):
        clock.now += sql_folders.VERIFY_SECONDS + 1
        await mirror.verify()
        await mirror.write()
    assert files.content[folder] == known


NUMBERS = iter(range(1_000_000))


class Files:
    """Index files with writes that arrive when they like."""

    def __init__(self) -> None:
        self.content: dict[str, int] = {}
        self.late: dict[str, int] = {}

    async def write(self, folder: str, next_index: int) -> None:
        self.content[folder] = next_index

    async def read(self, folders: Any) -> dict[str, int]:
        return {folder: self.content[folder] for folder in folders if folder in self.content}
