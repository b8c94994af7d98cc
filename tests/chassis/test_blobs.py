"""Blobs: whole or not there, kept once put, and an outage where the disk refuses."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from chassis.blobs import FolderBlobs, blob_key
from messaging.errors import Outage, PermanentError
from tests.chassis.databases import ROOT, until

MD5 = "0123456789abcdef" * 2
KEY = blob_key("batch-1", 3, 0, MD5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    there = tmp_path / "blobs"
    there.mkdir()
    return there


@pytest.fixture
def blobs(folder: Path) -> FolderBlobs:
    return FolderBlobs(folder)


async def ages(blobs: FolderBlobs) -> dict[str, float]:
    return {key: age async for key, age in blobs.keys()}  # noqa: SIM118  not a dict's


async def keys(blobs: FolderBlobs) -> set[str]:
    return set(await ages(blobs))


def names(folder: Path, pattern: str = "*") -> list[str]:
    """What lies at this place in the folder."""
    return [path.name for path in folder.glob(pattern)]


def aged(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def moved(one: Path, other: Path) -> None:
    one.rename(other)


def unfinished(folder: Path, key: str = KEY, seconds: float = 100) -> Path:
    """What a writer leaves that dies between its first byte and its last."""
    draft = (folder / key).with_name(".writing-4711")
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.write_bytes(b"ha")
    aged(draft, seconds)
    return draft


async def test_bytes_come_back_until_they_are_removed(blobs: FolderBlobs, folder: Path) -> None:
    assert await blobs.get(KEY) is None
    await blobs.put(KEY, b"bytes")
    assert await blobs.get(KEY) == b"bytes"
    assert await keys(blobs) == {KEY}
    await blobs.remove(KEY)
    await blobs.remove(KEY)
    assert await blobs.get(KEY) is None
    assert names(folder) == []


async def test_the_same_key_may_be_put_again_and_at_once(blobs: FolderBlobs, folder: Path) -> None:
    await asyncio.gather(*(blobs.put(KEY, b"bytes" * 10_000) for _ in range(8)))
    before = (folder / KEY).stat()
    await blobs.put(KEY, b"bytes" * 10_000)
    assert (folder / KEY).stat() == before
    assert names(folder / "batch-1" / "3") == [f"0-{MD5}"]


async def test_keys_have_their_age_in_seconds(blobs: FolderBlobs, folder: Path) -> None:
    await blobs.put(KEY, b"bytes")
    aged(folder / KEY, 100)
    assert 100 <= (await ages(blobs))[KEY] < 160


async def test_files_of_others_are_no_keys(blobs: FolderBlobs, folder: Path) -> None:
    await blobs.put(KEY, b"bytes")
    (folder / "README").touch()
    (folder / "batch-1" / "README").touch()
    (folder / "batch-1" / "3" / "README").touch()
    assert await keys(blobs) == {KEY}
    assert await blobs.tidy(0) == 0
    assert names(folder, "**/README") == ["README"] * 3


@pytest.mark.parametrize("key", ["", "../../x", f"../../{KEY}", f"/{KEY}", f"{KEY}\n", "a/1/0-x", f"a/{KEY}"])
async def test_a_key_that_leads_elsewhere_is_refused(key: str, blobs: FolderBlobs) -> None:
    for deed in (blobs.put(key, b""), blobs.get(key), blobs.remove(key)):
        with pytest.raises(PermanentError, match="blob's key"):
            await deed


async def test_an_interrupted_write_is_no_blob_and_is_tidied_up_once_it_is_old(
    blobs: FolderBlobs, folder: Path
) -> None:
    draft = unfinished(folder)
    assert await keys(blobs) == set()
    assert await blobs.get(KEY) is None
    assert await blobs.tidy(200) == 0
    assert draft.exists()
    assert await blobs.tidy(50) == 1
    assert names(folder) == []


async def test_tidying_up_leaves_blobs_and_takes_old_empty_folders(blobs: FolderBlobs, folder: Path) -> None:
    await blobs.put(KEY, b"bytes")
    aged(folder / KEY, 100)
    (folder / "batch-2" / "1").mkdir(parents=True)
    assert await blobs.tidy(50) == 0
    assert (folder / "batch-2" / "1").is_dir()
    aged(folder / "batch-2" / "1", 100)
    aged(folder / "batch-2", 100)
    await blobs.tidy(50)
    await blobs.tidy(0)
    assert names(folder) == ["batch-1"]
    assert await blobs.get(KEY) == b"bytes"


async def test_a_writer_killed_at_any_moment_leaves_the_whole_blob_or_none(
    blobs: FolderBlobs, folder: Path
) -> None:
    size = 3_000_000
    program = (
        "import sys, pathlib; from chassis.blobs import FolderBlobs, blob_key\n"
        "blobs = FolderBlobs(pathlib.Path(sys.argv[1]))\n"
        "sys.stdout.write('begins\\n'); sys.stdout.flush()\n"
        "for n in range(10_000): "
        f"blobs._put(blobs._path(blob_key('batch-1', n, 0, {MD5!r})), b'x' * {size})\n"
    )
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(folder), stdout=PIPE, cwd=ROOT
    )
    assert writer.stdout is not None
    assert await writer.stdout.readline() == b"begins\n"

    async def has_written() -> bool:
        return len(await keys(blobs)) >= 3

    await until(has_written)
    writer.kill()
    await writer.wait()
    sizes = {(folder / key).stat().st_size for key in await keys(blobs)}
    assert sizes == {size}
    await blobs.tidy(0)
    assert names(folder, "**/.writing-*") == []


async def test_a_put_is_not_lost_to_a_removal_beside_it(blobs: FolderBlobs) -> None:
    """Removing a batch's last blob removes its folders, in which another one is just being put."""
    other = blob_key("batch-1", 3, 1, MD5)

    async def take_away(done: asyncio.Event) -> None:
        while not done.is_set():
            await blobs.remove(other)

    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(take_away(done))
        try:
            for _ in range(200):
                await blobs.put(KEY, b"x")
                assert await blobs.get(KEY) == b"x"
                await blobs.remove(KEY)
        finally:
            done.set()


async def test_tidying_up_and_listing_beside_writers_disturb_nobody(blobs: FolderBlobs) -> None:
    async def come_and_go(key: str) -> None:
        for _ in range(20):
            await blobs.put(key, b"x")
            await blobs.remove(key)

    async def look() -> None:
        for _ in range(20):
            await blobs.tidy(1000)
            await keys(blobs)

    coming = [come_and_go(blob_key("batch-1", ordinal, 0, MD5)) for ordinal in range(3)]
    await asyncio.gather(*coming, look())
    assert await keys(blobs) == set()


async def test_a_folder_that_is_gone_is_an_outage_and_not_an_empty_store(
    blobs: FolderBlobs, folder: Path
) -> None:
    await blobs.put(KEY, b"bytes")
    moved(folder, folder.with_name("elsewhere"))
    for deed in (blobs.get(KEY), blobs.put(KEY, b"bytes"), blobs.tidy(0), keys(blobs)):
        with pytest.raises(Outage, match="blob store"):
            await deed
    moved(folder.with_name("elsewhere"), folder)
    assert await blobs.get(KEY) == b"bytes"


async def test_a_folder_that_goes_away_during_a_put_is_not_made_anew(
    blobs: FolderBlobs, folder: Path, tmp_path: Path
) -> None:
    elsewhere = folder.with_name("elsewhere")
    for number in range(100):
        new = [blob_key(f"batch-{number}", ordinal, 1, "0" * 32) for ordinal in range(8)]
        putting = [asyncio.create_task(blobs.put(key, b"bytes")) for key in new]
        await asyncio.sleep(0)
        moved(folder, elsewhere)
        ends = await asyncio.gather(*putting, return_exceptions=True)
        assert names(tmp_path) == ["elsewhere"], f"after {number} times"
        assert all(end is None or isinstance(end, Outage) for end in ends)
        moved(elsewhere, folder)


async def test_a_folder_that_cannot_be_written_is_an_outage(blobs: FolderBlobs, folder: Path) -> None:
    (folder / "batch-1").write_text("a file where a folder must be")
    for deed in (blobs.get(KEY), blobs.put(KEY, b"bytes"), blobs.remove(KEY)):
        with pytest.raises(Outage, match="blob store"):
            await deed


async def test_a_full_disk_is_an_outage_and_leaves_nothing(folder: Path) -> None:
    program = (
        "import asyncio, pathlib, resource, sys\n"
        "from chassis.blobs import FolderBlobs\n"
        "from messaging.errors import Outage\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        f"    asyncio.run(FolderBlobs(pathlib.Path(sys.argv[1])).put({KEY!r}, b'x' * 100_000))\n"
        "except Outage as why:\n"
        "    sys.exit(f'outage: {why}')\n"
    )
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(folder), stderr=PIPE, cwd=ROOT
    )
    _, said = await writer.communicate()
    assert said.startswith(b"outage: blob store: ")
    assert names(folder, "*/*/*") == []
