"""The page for whoever runs it says what the code does."""

import re

import pytest

from chassis.stopping import STOP_SECONDS
from chassis.web import GRACE_SECONDS
from cli.moving import LISTENING
from contracts.topology import MAX_DELIVERIES
from messaging.consumer import PATIENCE
from messaging.policy import MAX_ATTEMPTS
from messaging.rabbitmq.hands import BESIDE
from messaging.rabbitmq.moving import QUIET
from services.gateway.settings import Settings
from tests.source import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
LINGER = Settings.model_fields["drain_seconds"].default


@pytest.mark.parametrize(
    "words",
    [
        f"ends it on the spot, and so do, with 1, {STOP_SECONDS:g} seconds",
        f"`DRAIN_SECONDS` ({LINGER:g})",
        f"up to {PATIENCE:g} s | handlers end",
        f"up to {GRACE_SECONDS} s | open requests end",
        f"silent for {QUIET:g} s",
        f"`<queue>{BESIDE}`",
        {11.0: "for eleven seconds"}[LISTENING],
        {10: "tried ten times"}[MAX_ATTEMPTS],
        {20: "by the broker twenty times"}[MAX_DELIVERIES],
    ],
)
def test_a_figure_on_the_page_is_the_codes_own(words: str) -> None:
    assert words in PAGE


def test_a_drain_that_takes_all_its_time_ends_before_it_is_given_up() -> None:
    most = next(rule.le for rule in Settings.model_fields["drain_seconds"].metadata if hasattr(rule, "le"))
    stopping = 2.0
    assert LINGER + stopping + PATIENCE + GRACE_SECONDS < STOP_SECONDS
    assert most + PATIENCE + GRACE_SECONDS <= STOP_SECONDS


def test_whoever_kills_waits_longer_than_that() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    graces = [int(seconds) for seconds in re.findall(r"stop_grace_period: (\d+)s", compose)]
    for path in (ROOT / "deploy" / "kubernetes").glob("*.yaml"):
        graces += map(int, re.findall(r"terminationGracePeriodSeconds: (\d+)", path.read_text()))
    assert len(graces) >= 5
    assert min(graces) > STOP_SECONDS


def test_every_command_on_the_page_exists() -> None:
    from typer.main import get_command

    from cli.__main__ import app

    known = get_command(app)
    for line in re.findall(r"(?:^    |`)darkroom ([a-z]+(?: [a-z]+)?)", PAGE, re.MULTILINE):
        first, _, second = line.partition(" ")
        command = known.commands[first]  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            assert second in command.commands, line
