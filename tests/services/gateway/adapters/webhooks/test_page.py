"""The page about webhooks shows code that works and a schedule that is kept."""

import re
import time
from pathlib import Path
from typing import Any

from services.gateway.adapters.webhooks import sealing
from services.gateway.domain.news import EVENTS, Word
from services.gateway.domain.webhooks import DELAYS, Secret

PAGE = (Path(__file__).parents[5] / "docs" / "webhooks.md").read_text()


def test_the_code_that_it_shows_verifies_a_call_and_knows_one_that_comes_twice() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    shown: dict[str, Any] = {}
    exec(code, shown)
    secret, body = (
        sealing.new_secret(),
        '{"type":"batch.completed","timestamp":"x","data":{"status":"failed"}}',
    )
    headers = dict(sealing.headers("msg_1", body, [Secret(secret)], time.time()))
    seen: set[str] = set()
    assert [shown["receive"](secret, headers, body.encode(), seen) for _ in range(2)] == [204, 204]
    assert seen == {"msg_1"}
    assert shown["receive"](sealing.new_secret(), headers, body.encode(), seen) == 400
    assert shown["receive"](secret, headers, body.replace("failed", "succeeded").encode(), seen) == 400


def test_it_names_every_event() -> None:
    for word in (*EVENTS, Word.TEST.value):
        assert f"| `{word}` |" in PAGE


def test_it_tells_the_schedule_as_it_is() -> None:
    units = {"s": 1, "min": 60, "h": 3600}
    (told,) = re.findall(r"again after ([^|]*?), each", PAGE)
    waits = [int(number) * units[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", told)]
    assert waits == list(DELAYS)
