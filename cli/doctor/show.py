"""Runs the checks and prints what they found."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

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


async def examine(topics: Mapping[str, Check], console: Console, as_json: bool = False) -> int:
    """1 if anything is wrong, else 0. A topic that can't be looked at is wrong and hides no other."""
    found = await asyncio.gather(*(_findings(name, check) for name, check in topics.items()))
    seen = {name: [_clean(each) for each in findings] for name, findings in zip(topics, found, strict=True)}
    everything = [finding for findings in seen.values() for finding in findings]
    if as_json:
        console.print(_as_json(seen), soft_wrap=True, highlight=False, markup=False)
    else:
        for name, findings in seen.items():
            console.print(f"[bold]{name}[/]")
            for finding in findings:
                _print(finding, console)
        console.print(_summary(everything), soft_wrap=True, highlight=False)
    return int(any(finding.state == "wrong" for finding in everything))


def _as_json(seen: Mapping[str, Sequence[Finding]]) -> str:
    topics = {name: [asdict(finding) for finding in findings] for name, findings in seen.items()}
    fine = all(finding.state != "wrong" for findings in seen.values() for finding in findings)
    return json.dumps({"ok": fine, "topics": topics}, indent=2)


def _summary(everything: Sequence[Finding]) -> str:
    counts = Counter(finding.state for finding in everything)
    if not counts["wrong"] + counts["warning"]:
        return "[bold]everything is as it should be[/]"
    return (
        f"[bold]{counts['wrong']} wrong, {counts['warning']} to look at, {counts['ok']} as they should be[/]"
    )


def _clean(finding: Finding) -> Finding:
    """Whoever wrote it took care; what another program said may hold more than anybody thought of."""
    return replace(finding, says=redact(finding.says), advice=redact(finding.advice))


async def _findings(name: str, check: Check) -> Sequence[Finding]:
    try:
        return await check()
    except BadSettings as why:
        return [wrong(name, str(why), "set it, and look again")]
    except (CannotConnect, Outage, OSError) as why:
        return [wrong(name, str(why), "see that it runs and can be reached from here")]


def _print(finding: Finding, console: Console) -> None:
    says = escape(f"{finding.subject}: {finding.says}")
    console.print(f"  {_SIGNS[finding.state]}  {says}", soft_wrap=True, highlight=False)
    if finding.advice:
        console.print(f"           [dim]{escape(finding.advice)}[/]", soft_wrap=True, highlight=False)
