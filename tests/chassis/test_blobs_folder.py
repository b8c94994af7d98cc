"""Blobs in a folder: nothing half written, whoever dies, and no folder made anew that has gone away."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from chassis.blobs import blob_key
from chassis.blobs_folder import FolderBlobs
from messaging.errors import Outage
from tests.chassis.blob_stores import KEY, MD5, aged, ages, keys
from tests.chassis.databases import ROOT, until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    there = tmp_path / "blobs"
    there.mkdir()
    return there


@pytest.fixture
def blobs(folder: Path) -> FolderBlobs:
    return FolderBlobs(folder)


def names(folder: Path, pattern: str = "*") -> list[str]:
    """What lies at this place in the folder."""
    return [path.name for path in folder.glob(pattern)]


def moved(one: Path, other: Path) -> None:
    one.rename(other)


def unfinished(folder: Path, key: str = KEY, seconds: float = 100) -> Path:
    """What a writer leaves that dies between its first byte and its last."""
    draft = (folder / key).with_name(".writing-4711")
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.write_bytes(b"ha")
    aged(draft, seconds)
    return draft


async def test_the_same_key_again_touches_nothing(blobs: FolderBlobs, folder: Path) -> None:
    await blobs.put(KEY, b"bytes")
    before = (folder / KEY).stat()
    await blobs.put(KEY, b"bytes")
    assert (folder / KEY).stat() == before


async def test_a_key_is_as_old_as_its_file(blobs: FolderBlobs, folder: Path) -> None:
    await blobs.put(KEY, b"bytes")
    aged(folder / KEY, 100)
    assert 100 <= (await ages(blobs))[KEY] < 160


async def test_a_folder_that_comes_back_holds_what_it_held(blobs: FolderBlobs, folder: Path) -> None:
    await blobs.put(KEY, b"bytes")
    moved(folder, folder.with_name("elsewhere"))
    assert await blobs.trouble() == "blob store: No such file or directory"
    moved(folder.with_name("elsewhere"), folder)
    assert await blobs.get(KEY) == b"bytes"
    assert await blobs.trouble() is None


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
        "import sys, pathlib\n"
        "from chassis.blob_keys import blob_key\n"
        "from chassis.blobs_folder import FolderBlobs\n"
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


@pytest.mark.parametrize("way", [[], ["limit"]], ids=["full", "quota"])
async def test_a_full_disk_is_an_outage_that_leaves_nothing_and_ends_when_there_is_room(
    way: list[str], folder: Path
) -> None:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chassis.full_disk", str(folder), *way), stdout=PIPE, cwd=ROOT
    )
    told, _ = await program.communicate()
    put, probe, got, left, resumed = told.decode().splitlines()
    assert put in ("blob store: No space left on device", "blob store: File too large")
    assert probe == put
    assert (got, left, resumed) == ("None", "set()", "True None")
