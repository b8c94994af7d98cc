"""Every fault that the stand-ins have, drawn from a seed, until the work is nearly done."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import cycle
from typing import Any

import httpx

from tests.chaos.system.wishes import STORM, TEMPEST
from tests.journeys.around import Around

Rule = Mapping[str, Any]

#: Strikes the first try of a round alone: what loses a render may strike each image once, so that none meets
#: them so often that it rightly ends as a failure.
FIRST_TRY = {"pattern": r"^[A-Za-z0-9_-]+/[0-9]+/"}
#: Renders that fail in their first round, and those that always do.
PLANNED: tuple[Rule, ...] = (
    {"kind": "node_error", "pattern": r"^[A-Za-z0-9_-]+/1(\.[0-9]+)?/", "text": STORM},
    {"kind": "node_error", "text": TEMPEST},
)

LATENESS: tuple[Rule, ...] = ({"kind": "latency", "route": "/", "seconds": 0.05, "spread": 1.2, "times": 25},)
POD: tuple[Rule, ...] = (
    {"kind": "latency", "route": "/prompt", "seconds": 2.0, "times": 2},
    {"kind": "latency", "route": "/view", "seconds": 1.5, "times": 2},
    {"kind": "drop_before", "route": "/prompt"},
    {"kind": "drop_after", "route": "/prompt"},
    {"kind": "drop_after", "route": "/view"},
    {"kind": "drop_before", "route": "/jobs", "times": 3},
    {"kind": "http_error", "route": "/prompt", "status": 502, "times": 2},
    {"kind": "http_error", "route": "/view", "status": 524},
    {"kind": "login_page", "route": "/jobs"},
    {"kind": "html_page", "route": "/jobs"},
    {"kind": "zombie_socket", "times": 2},
    {"kind": "stall", "seconds": 3.0},
    {"kind": "restart", "down_seconds": 1.0, **FIRST_TRY},
    {"kind": "out_of_memory", **FIRST_TRY},
    {"kind": "vanish", "when": "queued", **FIRST_TRY},
    {"kind": "vanish", "when": "finished", **FIRST_TRY},
    {"kind": "file_vanishes", **FIRST_TRY},
    {"kind": "truncated_file", **FIRST_TRY},
    {"kind": "no_output", **FIRST_TRY},
    {"kind": "extra_output", **FIRST_TRY},
)
ENDPOINT: tuple[Rule, ...] = (
    {"kind": "latency", "route": "/status", "seconds": 1.5, "times": 3},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "drop_after", "route": "/status"},
    {"kind": "http_error", "status": 502},
    {"kind": "html_page", "route": "/status"},
    {"kind": "api_error", "route": "/status", "status": 500},
    {"kind": "too_many", "retry_after": 1},
    {"kind": "odd_state"},
    {"kind": "stuck", "seconds": 2.0},
    {"kind": "stall", "seconds": 3.0},
    {"kind": "runs_twice"},
    {"kind": "out_of_memory", **FIRST_TRY},
    {"kind": "vanish", "when": "queued", **FIRST_TRY},
    {"kind": "vanish", "when": "finished", **FIRST_TRY},
    {"kind": "job_fails", **FIRST_TRY},
    {"kind": "no_result", **FIRST_TRY},
    {"kind": "no_output", **FIRST_TRY},
    {"kind": "fewer_images", **FIRST_TRY},
    {"kind": "extra_output", **FIRST_TRY},
    {"kind": "file_vanishes", **FIRST_TRY},
    {"kind": "truncated_file", **FIRST_TRY},
)
#: What goes wrong in every so many calls to storage; primes, so that the kinds do not fall together.
STORAGE: tuple[tuple[int, Rule], ...] = (
    (89, {"kind": "drop"}),
    (97, {"kind": "drop", "after_commit": True}),
    (101, {"kind": "html_502", "after_commit": True}),
    (103, {"kind": "error_500"}),
    (107, {"kind": "error_503", "after_commit": True}),
    (109, {"kind": "no_error_field"}),
    (113, {"kind": "list_body"}),
    (127, {"kind": "limited_420"}),
    (131, {"kind": "limited_429", "reset_seconds": 1}),
    (137, {"kind": "unauthorized"}),
    (139, {"kind": "forbidden"}),
    (149, {"kind": "stale"}),
    (151, {"kind": "latency", "delay_seconds": 4}),
)


async def plan_failures(around: Around) -> None:
    """From now on until the faults are taken away, whoever asks for a storm gets one."""
    for backend in (*around.where.backends, *around.endpoints):
        await around.trouble_backend(backend, *({**rule, "times": None} for rule in PLANNED))
    await around.trouble_storage(*({**rule, "every": every, "count": None} for every, rule in STORAGE))


async def mishaps(around: Around, dice: random.Random, pauses: tuple[float, float]) -> None:
    """One after each pause, for ever; each kind has its turn before any has another."""
    pods, endpoints = cycle(around.where.backends), cycle(around.endpoints)
    while True:
        deck = [(pods, rule) for rule in (*POD, *LATENESS)] + [
            (endpoints, rule) for rule in (*ENDPOINT, *LATENESS)
        ]
        for backends, rule in dice.sample(deck, len(deck)):
            await asyncio.sleep(dice.uniform(*pauses))
            # A stand-in that is frozen or in the middle of a restart can't be told now; the next one can.
            with suppress(httpx.TransportError):
                await around.trouble_backend(next(backends), rule)


async def skew(around: Around, seconds: float) -> None:
    """Every way becomes slow for a number of calls, each as slow as it happens."""
    for backend in (*around.where.backends, *around.endpoints):
        await around.trouble_backend(
            backend, {"kind": "latency", "route": "/", "seconds": 0.05, "spread": seconds, "times": 30}
        )
    await around.trouble_storage({"kind": "latency", "delay_seconds": seconds / 2, "count": 20})


async def calm(around: Around) -> None:
    """All faults are taken away but those that renders are planned to meet."""
    for backend in (*around.where.backends, *around.endpoints):
        (await around.client.delete(f"{backend}/sandbox/faults")).raise_for_status()
        await around.trouble_backend(backend, *({**rule, "times": None} for rule in PLANNED))
    await around.calm_storage()


def kinds(rules: Sequence[Rule]) -> set[str]:
    return {str(rule["kind"]) for rule in rules}
