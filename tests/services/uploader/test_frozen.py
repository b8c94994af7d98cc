"""A process that is stopped in the middle of a write of `index.txt` and wakes when others have gone on."""

import asyncio
import signal
import sys
from collections.abc import Callable
from time import time

import pytest

from services.uploader.adapters import sql_folders
from services.uploader.app import VERIFY_SECONDS
from tests.services.uploader.stage import Stage, replica, reserved
from tests.services.uploader.test_mirror import said

#: What was promised: a late write is repaired within a minute.
PROMISED = 60.0


def ahead(seconds: list[float]) -> Callable[[], float]:
    """The time of a machine whose clock a test moves."""
    return lambda: time() + sum(seconds)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["dies", "lives"])
async def test_the_late_write_of_a_frozen_process_is_repaired_within_a_minute(
    each_stage: Stage, end: str
) -> None:
    passed: list[float] = []
    async with replica(each_stage, ahead(passed)) as other:
        await other.hear(reserved())
        frozen = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.services.uploader.frozen",
            each_stage.url,
            each_stage.database,
            str(each_stage.blobs),
            end,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert frozen.stdin is not None
        assert frozen.stdout is not None
        assert await frozen.stdout.readline() == b"about to write\n"
        frozen.send_signal(signal.SIGSTOP)
        frozen.stdin.write(b"\n")
        passed.append(sql_folders.LEASE_SECONDS + 1)
        await other.hear(reserved("b2", first=11))
        await other.mirror.write()
        assert await said(each_stage) == "15"
        frozen.send_signal(signal.SIGCONT)
        async with asyncio.timeout(30):
            await frozen.wait()
        # Who lives knows that its turn was over, and writes again itself.
        assert await said(each_stage) == ("11" if end == "dies" else "15")
        waited = 0.0
        while await said(each_stage) != "15":
            passed.append(VERIFY_SECONDS)
            waited += VERIFY_SECONDS
            assert waited <= PROMISED
            await other.mirror.verify()
            await other.mirror.write()
        assert frozen.returncode == (-signal.SIGKILL if end == "dies" else 0)
