"""Runs one server, and leaves nothing of it once the server or its owner has ended, or it is told to end.

A test run that is killed cannot clean up after itself; its wardens do. A script of the standard library
alone: `python -I -S warden.py SPEC`, where SPEC is a `Ward` as JSON. It prints the pid of the server.
"""

import ctypes
import json
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@dataclass(frozen=True)
class Ward:
    """What to run, for whom (`owner`, a pid), as which user, and what to remove once the owner has ended."""

    command: list[str]
    folder: str
    owner: int
    remove: str
    user: str | None = None


def descendants(ancestor: int) -> list[int]:
    """Every living process below this one, in no order."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _parent(process: Path) -> int | None:
    try:
        state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:  # it ended while we looked
        return None
    return None if state == "Z" else int(parent)


def run(ward: Ward) -> None:
    """Returns when nothing of the server is left."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # what the server leaves behind becomes ours
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        owner = os.pidfd_open(ward.owner)
    except ProcessLookupError:
        shutil.rmtree(ward.remove, ignore_errors=True)
        return
    with (Path(ward.folder) / "log").open("ab") as log:
        server = subprocess.Popen(
            ward.command,
            cwd=ward.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **_identity(ward.user),
        )
    print(server.pid, flush=True)  # noqa: T201 - the answer
    sys.stdout.close()
    select.select([told, owner, os.pidfd_open(server.pid)], [], [])
    _end_all()
    if select.select([owner], [], [], 0)[0]:
        shutil.rmtree(ward.remove, ignore_errors=True)


def _identity(user: str | None) -> dict[str, Any]:
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}


def _end_all() -> None:
    while True:
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


if __name__ == "__main__":
    run(Ward(**json.loads(sys.argv[1])))
