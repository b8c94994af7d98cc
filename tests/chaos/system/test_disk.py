"""The small disk is full when it says so, empty again afterwards, and gone at the end."""

import subprocess
import sys
from pathlib import Path

import pytest

from chassis.blobs import open_blobs
from messaging.errors import Outage
from tests.chaos.system.disk import Away, Disk, small_disk

KEY = "b1/0/1-0123456789abcdef0123456789abcdef"


async def test_a_full_disk_is_an_outage_until_there_is_room_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "blobs", megabytes=1) as disk:
        await _refuses_and_takes(tmp_path / "blobs", disk)


def test_it_is_gone_at_the_end(tmp_path: Path) -> None:
    with small_disk(tmp_path / "blobs", megabytes=1):
        assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    assert list(tmp_path.iterdir()) == []


async def test_where_nobody_may_mount_the_folder_goes_away_instead(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    await _refuses_and_takes(tmp_path / "blobs", Away(tmp_path / "blobs"))


def test_other_processes_see_the_same_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "blobs", megabytes=1):
        write = "import sys, pathlib; (pathlib.Path(sys.argv[1]) / 'x').write_text('y')"
        subprocess.run([sys.executable, "-c", write, str(tmp_path / "blobs")], check=True)
        assert (tmp_path / "blobs" / "x").read_text() == "y"


async def _refuses_and_takes(folder: Path, disk: Disk) -> None:
    async with open_blobs(f"file:{folder}") as blobs:
        disk.fill()
        with pytest.raises(Outage):
            await blobs.put(KEY, b"picture" * 1000)
        assert await blobs.trouble()
        disk.free()
        await blobs.put(KEY, b"picture" * 1000)
        assert await blobs.get(KEY) == b"picture" * 1000
        await blobs.remove(KEY)
