"""Dead letters as text and as data."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cli import ages
from messaging.dead_letters import DeadLetter

#: Characters of a reason in a table; `darkroom dead show` has all of it.
REASON = 80
_HEADS = ("AGE", "QUEUE", "BATCH", "TRIES", "DEATHS", "REASON", "ID")


def table(letters: Sequence[DeadLetter], now: datetime) -> str:
    rows = [_HEADS, *(_row(letter, now) for letter in letters)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(_harmless(line.rstrip()) for line in lines)


def as_data(letter: DeadLetter) -> dict[str, Any]:
    envelope = letter.envelope
    data = {
        "id": letter.id,
        "queue": letter.queue.name,
        "route": envelope.route,
        "batch_id": letter.batch_id,
        "reason": letter.death.reason,
        "died_at": letter.death.at or None,
        "first_seen": envelope.first_seen,
        "attempts": letter.death.attempts,
        "earlier": [death._asdict() for death in letter.earlier],
        "headers": envelope.headers(),
        "bytes": letter.size,
    }
    return data | ({"body": _text(envelope.body)} if envelope.body else {})


def in_full(letter: DeadLetter) -> str:
    data = as_data(letter)
    body, earlier, headers = data.pop("body", ""), data.pop("earlier"), data.pop("headers")
    lines = [f"{name:<10}  {'-' if value is None else value}" for name, value in data.items()]
    if earlier:
        lines += ["", "it died before:"]
        lines += [f"  {death['at']}  after {death['attempts']}: {death['reason']}" for death in earlier]
    told = {name: value for name, value in headers.items() if name != "x-history"}
    lines += ["", "headers:", *(f"  {name}: {value}" for name, value in told.items())]
    return _harmless("\n".join([*lines, "", "body:", _pretty(body)]))


def _row(letter: DeadLetter, now: datetime) -> tuple[str, ...]:
    age = ages.in_words((now - letter.died_at).total_seconds()) if letter.died_at else "?"
    reason = " ".join(letter.death.reason.split())
    shortened = reason if len(reason) <= REASON else f"{reason[: REASON - 1]}…"
    deaths, tries = str(len(letter.earlier) + 1), str(letter.death.attempts)
    return age, letter.queue.name, letter.batch_id or "-", tries, deaths, shortened, letter.id


def _text(body: bytes) -> str:
    return body.decode(errors="backslashreplace")


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


def _harmless(text: str) -> str:
    """Without what a terminal would obey: anybody may have written it."""
    return "".join(each if each.isprintable() or each == "\n" else f"\\x{ord(each):02x}" for each in text)
