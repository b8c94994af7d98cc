"""What came of the benchmarks, as a page with plots."""

import os
import platform
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench import plots
from tests.source import ROOT

PAGE = ROOT / "bench" / "RESULTS.md"
#: Whose speed is a part of what was measured.
PACKAGES = (
    *("aio-pika", "aiormq", "asyncpg", "sqlalchemy", "pydantic", "httpx", "fastapi", "uvicorn", "uvloop"),
    "cloudinary",
    *("faststream", "taskiq", "taskiq-aio-pika", "dramatiq", "celery"),
)
#: Tasks that run or wait at the start of a run that nobody disturbs.
IDLE = 1.0
#: As `bench.verdict.verdict` prints it.
_VERDICT = re.compile(r"(?P<name>[^:]+): (?P<ratio>\d+\.\d+) \((?P<bar>[<>]= [^)]+)\)")


@dataclass(frozen=True)
class Verdict:
    name: str
    ratio: float
    bar: str

    @property
    def holds(self) -> bool:
        # A bar can have two sides, as in `>= 0.9 and <= 1.1`.
        sides = (side.split() for side in self.bar.split(" and "))
        return all(
            self.ratio >= float(limit) if sign == ">=" else self.ratio <= float(limit)
            for sign, limit in sides
        )


@dataclass(frozen=True)
class Outcome:
    """How one benchmark ended; without a status it did not end in its time."""

    name: str
    words: tuple[str, ...]
    status: int | None
    seconds: float
    lines: tuple[str, ...]

    def verdicts(self) -> list[Verdict]:
        found = filter(None, map(_VERDICT.fullmatch, self.lines))
        return [Verdict(each["name"], float(each["ratio"]), each["bar"]) for each in found]


def write(outcomes: Sequence[Outcome], command: str, load: float) -> None:
    """`bench/RESULTS.md` and the plots of what was run; plots of what was not run stay. `load` is how
    many tasks ran or waited for a core before."""
    drawn = {outcome.name: plots.draw(outcome.name, outcome.lines) for outcome in outcomes}
    PAGE.write_text("\n".join(_page(outcomes, command, load, drawn)) + "\n")


def _page(
    outcomes: Sequence[Outcome], command: str, load: float, drawn: dict[str, Path | None]
) -> Iterator[str]:
    yield "# What the benchmarks said\n"
    yield f"Written by `{command}` on {datetime.now(UTC):%d %B %Y}. {machine()}\n"
    yield f"With {', '.join(versions())}.\n"
    yield "Every line compares with its rival or limit in the same run; medians of interleaved rounds.\n"
    if load > IDLE:
        yield f"**Others used the machine**: {load:.0f} tasks ran or waited for a core at the start.\n"
    yield "| benchmark | measured | bar | |\n|---|---|---|---|"
    for outcome in outcomes:
        yield from _rows(outcome)
    for outcome in outcomes:
        yield f"\n## {outcome.name}\n"
        if path := drawn[outcome.name]:
            yield f"![{outcome.name}](plots/{path.name})\n"
        words = " ".join((f"python -m bench.{outcome.name}", *outcome.words))
        yield f"`{words}`, {outcome.seconds:.0f} s:\n\n```text"
        yield from outcome.lines
        yield "```"


def _rows(outcome: Outcome) -> Iterator[str]:
    if outcome.status is None:
        yield f"| {outcome.name} | not done in its time | | **below** |"
    elif outcome.status and not outcome.verdicts():
        yield f"| {outcome.name} | failed | | **below** |"
    for verdict in outcome.verdicts():
        word = "holds" if verdict.holds else "**below**"
        yield f"| {verdict.name} | {verdict.ratio:.3f} | {verdict.bar} | {word} |"


def machine() -> str:
    """In a sentence."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}"
    return f"{cores} cores of {_processor()}, {memory:.0f} GB of memory, {system}."


def _processor() -> str:
    told = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return told[1] if told else platform.machine()


def versions() -> list[str]:
    found = [f"Python {platform.python_version()}", *_servers()]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def _servers() -> list[str]:
    """As Debian names them, where they come from there."""
    asked = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n"]
    try:
        told = subprocess.run(
            [*asked, "rabbitmq-server", "postgresql-[0-9]*"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return []
    lines = (line.split() for line in told.stdout.splitlines())
    return [" ".join(each[1:]) for each in lines if each[0] == "installed"]
