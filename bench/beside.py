"""Processes beside a benchmark: started, told what to do line by line, and their processor time counted."""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

from tests.source import ROOT

#: Seconds that a process has to end by itself.
ENDING = 3.0
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Beside:
    """One process and all that it starts: a session of its own."""

    process: asyncio.subprocess.Process
    log: Path

    @classmethod
    async def started(cls, log: Path, *words: str, environment: Mapping[str, str] | None = None) -> "Beside":
        """`python` with these words. `hear` reads what it prints; the log has its complaints."""
        pipe = asyncio.subprocess.PIPE
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *words),
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=pipe,
                stdout=pipe,
                stderr=errors,
                start_new_session=True,
            )
        return cls(process, log)

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    async def hear(self) -> str:
        """The next line. Raises RuntimeError where there is none."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process beside this one has ended:\n{self.complaints()}")
        return line.decode().strip()

    def complaints(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def cpu(self) -> float:
        """Seconds of processor time, of all processes of the session that live."""
        return sum(_cpu(stat) for stat in self._stats())

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING):
                await self.process.communicate()
        for stat in self._stats():
            with suppress(ProcessLookupError):
                os.kill(int(stat[0]), SIGKILL)
        await self.process.wait()

    def _stats(self) -> list[list[str]]:
        """Fields of /proc/PID/stat, without the name, of each process of the session."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                before, _, after = path.read_text().rpartition(")")
                fields = [before.split(" ", 1)[0], *after.split()]
                if int(fields[4]) == self.process.pid:
                    found.append(fields)
        return found


def cpu_of(pid: int) -> float:
    """Seconds of processor time of one process."""
    return _cpu(["", *Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()])


def _cpu(stat: list[str]) -> float:
    return (int(stat[12]) + int(stat[13])) / TICK
