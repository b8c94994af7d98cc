"""Runs a command as a container would: without privileges, and able to write in one folder alone.

`python -I confined.py FOLDER command ...`. Landlock (in Linux since 5.13) forbids what a read-only root would
forbid and asks for no privileges (https://docs.kernel.org/userspace-api/landlock.html). Where root runs it,
the command loses its capabilities, and becomes nobody if nobody can read the programs.
"""

import ctypes
import os
import sys
from pathlib import Path

NOBODY = 65_534
CREATE, ADD_RULE, RESTRICT = 444, 445, 446
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, CAPABILITIES = 38, 24, 64
BENEATH = 1
WRITE, REFER, TRUNCATE = 1 << 1, 1 << 13, 1 << 14
#: Removing and making files, folders, sockets and links.
CHANGES = sum(1 << bit for bit in range(4, 13))


class Ruleset(ctypes.Structure):
    _fields_ = (("handled", ctypes.c_uint64),)


class Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


LIBC = ctypes.CDLL(None, use_errno=True)


def call(*arguments: object) -> int:
    result: int = LIBC.syscall(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "this kernel has no Landlock; the test needs Linux 5.13 or later")
    return result


def confine(folder: str) -> None:
    abi = call(CREATE, None, 0, 1)
    changes = CHANGES | (REFER if abi >= 2 else 0)
    files = WRITE | (TRUNCATE if abi >= 3 else 0)
    rules = Ruleset(changes | files)
    ruleset = call(CREATE, ctypes.byref(rules), ctypes.sizeof(rules), 0)
    for place, allowed in ((folder, changes | files), (os.devnull, files)):
        rule = Beneath(allowed, os.open(place, os.O_PATH))
        call(ADD_RULE, ruleset, BENEATH, ctypes.byref(rule), 0)
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call(RESTRICT, ruleset, 0)


def readable(place: Path) -> bool:
    """For everybody, with all folders above it."""
    whole = place.resolve()
    return all(each.stat().st_mode & 0o5 == 0o5 for each in (whole, *whole.parents))


def main(folder: str, command: list[str]) -> None:
    if os.geteuid() == 0:
        for capability in range(CAPABILITIES):  # those that this kernel does not have, too
            LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        if readable(Path(command[0])) and readable(Path.cwd()):
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    confine(folder)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
