"""Whatever happens in whatever order, whoever dies in between: the promises hold, and everything ends."""

import asyncio
from collections.abc import Mapping
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.chaos.model import mutants
from tests.chaos.model.machine import Machine
from tests.chaos.model.plant import KINDS, Process, lay_out


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "templates"
    folder.mkdir()
    asyncio.run(lay_out(folder))
    return folder


def test_the_promises_hold_whatever_happens_and_whoever_dies(templates: Path, whole: bool) -> None:
    machine: Any = partial(Machine, templates)
    short = settings(max_examples=10, stateful_step_count=25, derandomize=True)
    size = settings(max_examples=600, stateful_step_count=60) if whole else short
    quiet = list(HealthCheck)
    run_state_machine_as_test(
        machine, settings=settings(size, deadline=None, print_blob=True, suppress_health_check=quiet)
    )


@pytest.mark.parametrize("how", ["dies", "freezes"])
@pytest.mark.parametrize("service", KINDS)
def test_one_story_ends_well_wherever_in_it_a_process_falls(
    templates: Path, service: str, how: str, whole: bool
) -> None:
    falls = fell(templates, {}, service, how, stride=1 if whole else 23)
    assert 0 < falls < len(crossings(1))


def test_systems_with_a_mistake_are_found_out(templates: Path, whole: bool) -> None:
    for mistake, breach in mutants.BREACHES.items():
        service = mistake.__mro__[1].__name__.lower()
        with pytest.raises(AssertionError, match=breach):
            fell(templates, {service: mistake}, service, "dies", stride=1 if whole else 4)


def fell(templates: Path, kinds: Mapping[str, type[Process]], service: str, how: str, stride: int) -> int:
    """How many of the stories it was in which the process fell; after the first in which it did not, all its
    crossings are through."""
    in_turn = (told(templates, kinds, service, how, crossing) for crossing in crossings(stride))
    return sum(1 for _ in takewhile(bool, in_turn))


def crossings(stride: int) -> range:
    """Moments at which a process falls; there are fewer of them in the story."""
    return range(1, 120, stride)


def told(templates: Path, kinds: Mapping[str, type[Process]], service: str, how: str, crossing: int) -> bool:
    machine = Machine(templates, {**KINDS, **kinds})
    try:
        return machine.story(service, how, crossing)
    finally:
        machine.world.close()
