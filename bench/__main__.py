"""`python -m bench [--quick]`: every benchmark in turn, what came of them, and whether every bar holds.

Each runs in a process of its own, within a time of its own; what it prints is shown as it comes. At the end
`bench/RESULTS.md` says what was measured on which machine with which versions, and `bench/plots/` shows it.
Exits 1 where a benchmark is below its bar, fails, or does not end in its time.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from signal import SIGINT

from bench import results
from bench.results import Outcome
from bench.timetable import QUICK_MINUTES, TIMETABLE, WHOLE_MINUTES, Entry
from tests.source import ROOT

#: Seconds that a benchmark has to let go of its processes.
ENDING = 15.0


async def run(entry: Entry, quick: bool, seconds: float) -> Outcome:
    """One benchmark to its end, or to the end of its time."""
    words = entry.quick if quick else entry.whole
    print(f"\n== python -m bench.{' '.join((entry.name, *words))}", flush=True)
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"bench.{entry.name}", *words),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    lines: list[str] = []
    try:
        async with asyncio.timeout(seconds):
            await _hear(process, lines)
            status: int | None = await process.wait()
    except TimeoutError:
        status = None
        await _end(process)
        print(f"{entry.name}: not done within {seconds:.0f} s", flush=True)
    return Outcome(entry.name, tuple(words), status, time.monotonic() - began, tuple(lines))


async def _hear(process: asyncio.subprocess.Process, lines: list[str]) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        lines.append(line.decode(errors="replace").rstrip())
        print(lines[-1], flush=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    """As somebody at the keyboard would: then it ends what it has started."""
    process.send_signal(SIGINT)
    try:
        async with asyncio.timeout(ENDING):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def everything(names: Sequence[str], quick: bool) -> list[Outcome]:
    """All that fit into the time there is; one that does not is an outcome without a status."""
    end = time.monotonic() + 60 * (QUICK_MINUTES if quick else WHOLE_MINUTES)
    outcomes = []
    for entry in TIMETABLE:
        if entry.name in names:
            left = end - time.monotonic()
            within = min(left, 60 * (entry.quick_minutes if quick else entry.minutes))
            outcomes.append(await run(entry, quick, max(within, 0.0)))
    return outcomes


def main() -> None:
    there = [entry.name for entry in TIMETABLE if find_spec(f"bench.{entry.name}")]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds, within ten minutes")
    parser.add_argument(
        "--only", nargs="+", choices=there, metavar="NAME", help="these, of: " + ", ".join(there)
    )
    parser.add_argument("--no-results", action="store_true", help="leave RESULTS.md and plots as they are")
    options = parser.parse_args()
    load, *_ = os.getloadavg()
    outcomes = asyncio.run(everything(options.only or there, options.quick))
    if not options.no_results:
        results.write(outcomes, " ".join(("python -m bench", *sys.argv[1:])), load)
    below = [outcome.name for outcome in outcomes if outcome.status != 0]
    print(f"\n{len(outcomes)} benchmarks, below their bar or not done: {', '.join(below) or 'none'}")
    sys.exit(1 if below else 0)


if __name__ == "__main__":
    main()
