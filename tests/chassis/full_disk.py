"""Fills the disk under a blob store, sees what it does, makes room again; writes a line for each step.

`python -m tests.chassis.full_disk FOLDER`. Where the kernel lets it, the folder is a file system of its own
of one megabyte, which is really full. Elsewhere, and with `limit` as second word, files may not grow beyond a
limit, which the store can't tell from a quota.
"""

import asyncio
import resource
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from chassis.blobs_folder import FolderBlobs
from messaging.errors import Outage
from tests.chassis.blob_stores import KEY, InFolder

BYTES = b"x" * 300_000
#: Makes the folder a small file system that nobody else sees and that ends with the process.
MOUNTED = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
MOUNT = 'mount -t tmpfs -o size=1m none "$0" && '
#: What somebody else has written there.
REST = "somebody-else"
ITSELF = f'exec "{sys.executable}" -m tests.chassis.full_disk "$0" '


async def steps(folder: Path, fill: Callable[[Path], Callable[[], None]]) -> list[str]:
    blobs = FolderBlobs(folder)
    make_room = fill(folder)
    told = [await outcome(blobs.put(KEY, BYTES)), await outcome(blobs.probe()), str(await blobs.get(KEY))]
    told.append(str(InFolder(folder).everything() - {REST}))
    make_room()
    await blobs.put(KEY, BYTES)
    return [*told, f"{await blobs.get(KEY) == BYTES} {await blobs.trouble()}"]


async def outcome(deed: Awaitable[None]) -> str:
    try:
        await deed
    except Outage as why:
        return str(why)
    return "done"


def filled(folder: Path) -> Callable[[], None]:
    """Takes all the room there is. Gives what makes room again."""
    rest = folder / REST
    with rest.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return rest.unlink


def limited(_folder: Path) -> Callable[[], None]:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, most))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def main() -> int:
    folder = Path(sys.argv[1]).resolve()
    way = sys.argv[2] if len(sys.argv) > 2 else None
    if way:
        told = asyncio.run(steps(folder, filled if way == "mounted" else limited))
        sys.stdout.write("\n".join(told))
        return 0
    command = [*MOUNTED, MOUNT + ITSELF + "mounted", str(folder)]
    if not mounts(folder):
        command = ["sh", "-c", ITSELF + "limit", str(folder)]
    return subprocess.run(command, check=False).returncode


def mounts(folder: Path) -> bool:
    if not shutil.which("unshare"):
        return False
    return not subprocess.run([*MOUNTED, f"{MOUNT}true", folder], capture_output=True, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
