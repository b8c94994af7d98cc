"""Runs the checks and prints what they found."""

import asyncio
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape

from chassis.logs import redact
from chassis.settings import BadSettings
from cli.doctor.finding import Check, Finding, State, wrong
from messaging.errors import CannotConnect, Outage

_SIGNS: Mapping[State, str] = {
    "ok": "[green]ok     [/]",
    "warning": "[yellow]warning[/]",
    "wrong": "[red]wrong  [/]",
}


async def examine(topics: Mapping[str, Check], console: Console) -> int:
    """1 if anything is wrong, else 0. A topic that can't be looked at is wrong and hides no other."""
    found = await asyncio.gather(*(_findings(name, check) for name, check in topics.items()))
    for name, findings in zip(topics, found, strict=True):
        console.print(f"[bold]{name}[/]")
        for finding in findings:
            _print(finding, console)
    everything = [finding for findings in found for finding in findings]
    return int(any(finding.state == "wrong" for finding in everything))


async def _findings(name: str, check: Check) -> Sequence[Finding]:
    try:
        return await check()
    except BadSettings as why:
        return [wrong(name, str(why), "set it, and look again")]
    except (CannotConnect, Outage, OSError) as why:
        return [wrong(name, str(why), "see that it runs and can be reached from here")]


def _print(finding: Finding, console: Console) -> None:
    says = escape(redact(f"{finding.subject}: {finding.says}"))
    console.print(f"  {_SIGNS[finding.state]}  {says}", soft_wrap=True, highlight=False)
    if finding.advice:
        console.print(f"           [dim]{escape(finding.advice)}[/]", soft_wrap=True, highlight=False)
