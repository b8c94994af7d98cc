"""What the doctor prints: for people, and for programs."""

import asyncio
import io
import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from cli.doctor.finding import Check, Finding, ok, warning, wrong
from cli.doctor.show import examine
from messaging.errors import Outage
from tests.cli.test_broker import darkroom


async def fine() -> Sequence[Finding]:
    return [ok("a", "is [fine]"), warning("b", "is so so", "ask amqp://u:geheim@host")]


async def bad() -> Sequence[Finding]:
    return [wrong("c", "is at amqp://u:geheim@host", "mend it")]


async def out() -> Sequence[Finding]:
    raise Outage("nobody answers")


async def printed(topics: dict[str, Check], as_json: bool = False) -> tuple[int, str]:
    text = io.StringIO()
    code = await examine(topics, Console(file=text, width=40), as_json)
    assert "geheim" not in text.getvalue()
    return code, text.getvalue()


async def test_the_last_line_sums_up() -> None:
    assert (await printed({"one": fine, "two": bad}))[1].splitlines()[-1] == (
        "1 wrong, 1 to look at, 1 as they should be"
    )

    async def well() -> Sequence[Finding]:
        return [ok("a", "is fine")]

    assert (await printed({"one": well}))[1].splitlines()[-1] == "everything is as it should be"


async def test_programs_get_everything_as_json_whatever_the_width() -> None:
    code, text = await printed({"one": fine, "two": bad, "three": out}, as_json=True)
    told: dict[str, Any] = json.loads(text)
    assert (code, told["ok"], list(told["topics"])) == (1, False, ["one", "two", "three"])
    assert told["topics"]["one"][0] == {"subject": "a", "state": "ok", "says": "is [fine]", "advice": ""}
    assert told["topics"]["three"][0]["says"] == "nobody answers"
    code, text = await printed({"one": fine}, as_json=True)
    assert (code, json.loads(text)["ok"]) == (0, True)


async def test_it_is_what_one_types() -> None:
    done = await asyncio.to_thread(darkroom, "doctor", "broker", "--json", bus_url="memory:")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["ok"] is True
    done = await asyncio.to_thread(darkroom, "doctor", "broker", bus_url="amqp://u:geheim@127.0.0.1:1/x")
    assert done.returncode == 1
    assert "wrong" in done.stdout
    assert "geheim" not in done.stdout + done.stderr
